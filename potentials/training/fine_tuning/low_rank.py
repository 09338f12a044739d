"""Low-rank adaptation (LoRA) of the linear maps of a potential.

Each matrix W of a linear map becomes

    W + (alpha / r) A B,    A [rows, r], B [r, columns]

of which A and B are trained and W is kept. B is zero at the start, so that training starts with the potential itself.
A and B act on the channels of a block, the same for all its components, so symmetries are kept. The model file contains
the sums, so that running the potential costs nothing. Hu et al., "LoRA" (2021), arXiv:2106.09685, eq. 3.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from potentials.kernels import MixingTable
from potentials.models.blocks import Perceptron
from potentials.models.nequip import SelfConnection
from potentials.potential import Potential


class LinearMaps(NamedTuple):
    """A parameter that contains matrices, one after the other."""

    module: nn.Module
    name: str
    species: int
    """Number of species with matrices of their own; 1 if there are none."""
    shapes: list[tuple[int, int]]
    """Rows and columns of each matrix."""


class LowRankChange(nn.Module):
    """W + (alpha / r) A B of all matrices in a parameter.

    Args:
        maps: the matrices.
        rank: r; at most the smaller dimension of a matrix is used.
        alpha: factor of the change.
    """

    def __init__(self, maps: LinearMaps, rank: int, alpha: float) -> None:
        super().__init__()
        like: Tensor = getattr(maps.module, maps.name)
        ranks = [min(rank, *shape) for shape in maps.shapes]
        self.factors = [alpha / r for r in ranks]
        pairs = list(zip(maps.shapes, ranks, strict=True))
        self.first = nn.ParameterList(
            torch.randn(maps.species, rows, r, dtype=like.dtype) * rows**-0.5 for (rows, _), r in pairs
        )
        self.second = nn.ParameterList(
            torch.zeros(maps.species, r, columns, dtype=like.dtype) for (_, columns), r in pairs
        )

    def forward(self, weight: Tensor) -> Tensor:
        """Add the changes to the parameter."""
        parts = zip(self.first, self.second, self.factors, strict=True)
        changes = [(factor * (a @ b)).flatten(1) for a, b, factor in parts]
        return weight + torch.cat(changes, dim=1).reshape(weight.shape)


def linear_maps(model: nn.Module) -> Iterator[LinearMaps]:
    """Yield all linear maps of a network: of blocks, by species, of radial networks and readouts."""
    for module in model.modules():
        table, weight = getattr(module, "table", None), getattr(module, "weight", None)
        if isinstance(table, MixingTable) and isinstance(weight, nn.Parameter):
            shapes = [(matrix.shape[-2], matrix.shape[-1]) for matrix in table.matrices(weight)]
            yield LinearMaps(module, "weight", weight.shape[0], shapes)
        elif isinstance(module, Perceptron):
            yield LinearMaps(module, "weight", 1, list(itertools.pairwise(module.sizes)))
        elif isinstance(module, nn.Linear):
            yield LinearMaps(module, "weight", 1, [(module.out_features, module.in_features)])
        elif isinstance(module, SelfConnection):
            for number, matrix in enumerate(module.weights):
                yield LinearMaps(module.weights, str(number), 1, [(matrix[..., 0].numel(), matrix.shape[-1])])


def adapt(potential: Potential, rank: int, alpha: float) -> None:
    """Freeze all parameters of a potential, and add trainable low-rank updates to its linear maps."""
    potential.requires_grad_(False)
    for maps in list(linear_maps(potential.model)):
        parametrize.register_parametrization(maps.module, maps.name, LowRankChange(maps, rank, alpha))


def merged(potential: Potential) -> Potential:
    """Return a potential with the sums as weights; the potential itself if it has no low-rank updates."""
    state = merged_state(potential.model)
    if state is None:
        return potential
    copied = potential.with_new_weights()
    copied.model.load_state_dict(state)
    return copied.to(potential.scale.device)


def merged_state(model: nn.Module) -> dict[str, Tensor] | None:
    """Return the weights of a network with the sums in place of their terms; None if there are no changes."""
    changed = {name: module for name, module in model.named_modules() if parametrize.is_parametrized(module)}
    if not changed:
        return None
    state = dict(model.state_dict())
    for module_name, module in changed.items():
        for name in module.parametrizations:
            prefix = f"{module_name}.parametrizations.{name}."
            state = {key: value for key, value in state.items() if not key.startswith(prefix)}
            state[f"{module_name}.{name}"] = getattr(module, str(name)).detach()
    return state
