"""Radial networks as splines of the distance, for models that are used but not trained."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from potentials.equivariant.envelopes import ValuesAndSlopes
from potentials.errors import PotentialsError
from potentials.kernels import EdgeTopology, MessageTable, RadialSplines, spline_message_sum
from potentials.kernels.message_passing import evaluate_splines
from potentials.models.blocks import EdgeEmbedding
from potentials.models.radial import RadialBasis
from potentials.models.radial_functions import RadialFunctions, RadialMap

_FIRST_KNOT = 1e-3
"""A; some bases divide by the distance. Below it the first piece of a spline goes on."""
_BETWEEN = (0.25, 0.5, 0.75)
"""Where in each interval the error of a spline is measured; it is largest near the middle."""
_SMALLEST_SCALE = 1e-6
"""Of a function, as a part of the largest of its network: errors of functions that vanish are not divided by zero."""


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
        network: of its functions; the coefficients are of the type of its parameters.
        knots: how many, evenly spaced up to the cutoff.
    """

    coefficients: Tensor

    def __init__(self, basis: RadialBasis, network: RadialMap, knots: int) -> None:
        super().__init__()
        self.num_knots = knots
        self.start, self.step = _FIRST_KNOT, (basis.cutoff - _FIRST_KNOT) / (knots - 1)
        dtype = next(network.parameters()).dtype
        # Functions may bend up to the cutoff, as the cosine envelope does: the curvature there is that from within.
        r = self._distances([0.0]).clamp(max=math.nextafter(basis.cutoff, 0.0))
        value, slope, curvature = _with_curvature(_in_double_precision(basis, network), r)
        stacked = torch.stack([value, slope * self.step, curvature * self.step**2], dim=1)
        splines = RadialSplines.from_knots(stacked, self.start, self.step)
        self.register_buffer("coefficients", splines.coefficients.to(dtype))

    @property
    def knots(self) -> Tensor:
        """Their distances, [K] A, float64."""
        return self.start + self.step * torch.arange(self.num_knots, dtype=torch.float64)

    def _distances(self, parts: Sequence[float]) -> Tensor:
        """[W, 1] A, float64: the knots, or places between them as parts of the intervals."""
        knots = self.knots
        return torch.cat([knots[: len(knots) - (part > 0)] + part * self.step for part in parts]).unsqueeze(1)

    def relative_error(self, basis: RadialBasis, network: RadialMap) -> float:
        """How far the splines are from the network that they were made of.

        Returns:
            The largest difference between a spline and its function, and between their derivatives, anywhere up to the
            cutoff, each divided by the largest magnitude of that function, or of that derivative.
        """
        r = self._distances([0.0, *_BETWEEN])
        splines = RadialSplines(self.coefficients.to(torch.float64), self.start, self.step)
        with torch.no_grad():
            expected = _in_double_precision(basis, network)(r)
        pairs = zip(evaluate_splines(splines, r), expected, strict=True)
        return max(_largest_relative_difference(found, exact) for found, exact in pairs)

    def forward(self, functions: RadialFunctions) -> TabulatedFunctions:
        """Of the distances alone."""
        return TabulatedFunctions(RadialSplines(self.coefficients, self.start, self.step), functions.distances)


def _in_double_precision(basis: RadialBasis, network: RadialMap) -> Callable[[Tensor], ValuesAndSlopes]:
    """The network's functions and their derivatives at distances [W, 1], in float64."""
    basis, network = copy.deepcopy(basis).double(), copy.deepcopy(network).double()
    anywhere = torch.full((1, 1), 0.5 * basis.cutoff, dtype=torch.float64)
    with torch.no_grad():
        return network(basis(anywhere, *_no_species(1))).at


def _with_curvature(at: Callable[[Tensor], ValuesAndSlopes], r: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Functions of the distance [W, F] at distances [W, 1], their first and their second derivative."""
    with torch.enable_grad():
        r = r.detach().requires_grad_()
        value, slope = at(r)
        # The gradient is linear in what it is weighted with, and the factors are the derivatives of each function.
        weights = torch.ones_like(slope, requires_grad=True)
        (gradient,) = torch.autograd.grad((slope * weights).sum(), r, create_graph=True)
        (curvature,) = torch.autograd.grad(gradient.sum(), weights)
    return value.detach(), slope.detach(), curvature


def _largest_relative_difference(found: Tensor, expected: Tensor) -> float:
    """Of functions [W, F], each divided by its largest magnitude."""
    scale = expected.abs().amax(dim=0)
    scale = scale.clamp_min(_SMALLEST_SCALE * float(scale.max()))
    difference = (found - expected).abs().amax(dim=0)
    return float(torch.where(difference > 0, difference / scale, difference).max())


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


def largest_error(model: nn.Module, tabulated_model: nn.Module) -> float:
    """The largest relative error of all splines that stand for a model's radial networks; see `TabulatedNetwork`."""
    networks = dict(model.named_modules())
    (embedding,) = (module for module in networks.values() if isinstance(module, EdgeEmbedding))
    return max(
        module.relative_error(cast(RadialBasis, embedding.radial), cast(RadialMap, networks[name]))
        for name, module in tabulated_model.named_modules()
        if isinstance(module, TabulatedNetwork)
    )
