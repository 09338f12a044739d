"""Radial networks as splines of the distance, for models that are used but not trained."""

from __future__ import annotations

import copy
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from potentials.equivariant.envelopes import ValuesAndSlopes
from potentials.errors import PotentialsError
from potentials.kernels import EdgeTopology, MessageTable, RadialSplines, spline_message_sum
from potentials.kernels.reference import evaluate_splines
from potentials.models.blocks import EdgeEmbedding
from potentials.models.radial import RadialBasis
from potentials.models.radial_functions import RadialFunctions, RadialMap

_FIRST_KNOT = 0.1
"""A; below it the first piece of a spline goes on."""


class TabulatedFunctions(NamedTuple):
    """What stands for `RadialFunctions` when they are splines."""

    splines: RadialSplines
    distances: Tensor
    """[W, 1] A."""

    def connected(self) -> Tensor:
        """The values [W, F] as differentiable functions of the distances."""
        return evaluate_splines(self.splines, self.distances)[0]

    def message_sum(self, table: MessageTable, h: Tensor, Y: Tensor, topology: EdgeTopology) -> Tensor:
        """`potentials.kernels.spline_message_sum` with these as the weights."""
        return spline_message_sum(table, h, Y, self.distances, self.splines, topology)


class TabulatedNetwork(nn.Module):
    """A radial network of the radial basis as quintic splines, made in float64.

    Args:
        basis: the radial basis; it depends on nothing but the distance.
        network: of its functions; the knots are of the type of its parameters.
        knots: how many, evenly spaced up to the cutoff.
    """

    knots: Tensor

    def __init__(self, basis: RadialBasis, network: RadialMap, knots: int) -> None:
        super().__init__()
        self.start, self.step = _FIRST_KNOT, (basis.cutoff - _FIRST_KNOT) / (knots - 1)
        r = torch.linspace(self.start, basis.cutoff, knots, dtype=torch.float64).unsqueeze(1)
        basis, network = copy.deepcopy(basis).double(), copy.deepcopy(network)
        dtype = next(network.parameters()).dtype
        with torch.no_grad():
            functions = network.double()(basis(r, *_no_species(knots)))
            with forward_ad.dual_level():
                values, slopes = functions.at(forward_ad.make_dual(r, torch.ones_like(r)))
                value, _ = forward_ad.unpack_dual(values)
                slope, curvature = forward_ad.unpack_dual(slopes)
            stacked = torch.stack([value, slope * self.step, curvature * self.step**2], dim=1)
        self.register_buffer("knots", stacked.to(dtype))

    def forward(self, functions: RadialFunctions) -> TabulatedFunctions:
        """Of the distances alone."""
        return TabulatedFunctions(RadialSplines(self.knots, self.start, self.step), functions.distances)


class NoBasis(nn.Module):
    """Stands for the radial basis where nothing needs it any more."""

    def forward(self, distances: Tensor, sender_species: Tensor, receiver_species: Tensor) -> RadialFunctions:
        """The distances, and no functions of them."""
        nothing = distances.new_empty(distances.shape[0], 0)

        def at(r: Tensor) -> ValuesAndSlopes:
            return nothing, nothing

        return RadialFunctions(nothing, nothing, distances, at)


def _no_species(pairs: int) -> tuple[Tensor, Tensor]:
    species = torch.zeros(pairs, dtype=torch.int64)
    return species, species


def tabulated(model: nn.Module, knots: int) -> nn.Module:
    """A copy of a model whose radial networks are splines.

    Raises:
        PotentialsError: the model's radial functions are not functions of the distance alone.
    """
    copied = copy.deepcopy(model)
    embeddings = [module for module in copied.modules() if isinstance(module, EdgeEmbedding)]
    for embedding in embeddings:
        if not isinstance(embedding.radial, RadialBasis) or embedding.radial.transform is not None:
            raise PotentialsError("its radial functions depend on the elements, not on the distance alone")
    if len(embeddings) != 1 or not any(isinstance(module, RadialMap) for module in copied.modules()):
        raise PotentialsError("it has no radial networks of one radial basis")
    (embedding,) = embeddings
    for module in list(copied.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, RadialMap):
                setattr(module, name, TabulatedNetwork(cast(RadialBasis, embedding.radial), child, knots))
    embedding.radial = NoBasis()
    return copied
