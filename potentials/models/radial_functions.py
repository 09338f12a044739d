"""Functions of the distance of a pair of edges together with their derivatives (slopes)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from potentials.equivariant.envelopes import ValuesAndSlopes
from potentials.kernels import EdgeTopology, MessageTable, message_sum, row_dot
from potentials.kernels.autograd import apart, is_wanted
from potentials.kernels.transforms import is_transformed


class RadialFunctions(NamedTuple):
    """F functions of the distances of W pairs and their derivatives.

    The derivatives are computed together with the values, so that forces need no backward pass through the functions.
    """

    values: Tensor
    """[W, F], detached from the distances in the autograd graph."""
    slopes: Tensor
    """[W, F], derivatives with respect to the distance, 1/A."""
    distances: Tensor
    """[W, 1] A."""
    at: Callable[[Tensor], ValuesAndSlopes]
    """Function of distances [W, 1] that returns values and slopes in plain PyTorch, for second derivatives."""

    def connected(self) -> Tensor:
        """Return the values [W, F] as differentiable functions of the distances."""
        if is_transformed():
            return self.at(self.distances)[0]
        if not self.distances.requires_grad:
            return self.values
        return _Connected.apply(self.values, self.slopes, self.distances, self.at)

    def message_sum(self, table: MessageTable, h: Tensor, Y: Tensor, topology: EdgeTopology) -> Tensor:
        """Call `potentials.kernels.message_sum` with the values as weights, sorted by path, then channel."""
        return message_sum(table, h, Y, self.connected().unflatten(1, (-1, h.shape[2])), topology)


class RadialMap(nn.Module, ABC):
    """A module that maps functions of the distance to functions of the distance."""

    @abstractmethod
    def forward(self, functions: RadialFunctions) -> RadialFunctions:
        """Map functions [W, F] to [W, F'], with slopes."""


class _Connected(torch.autograd.Function):
    """The values; their derivatives with respect to the distances are the slopes."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, slopes: Tensor, distances: Tensor, at: Any) -> Tensor:
        ctx.at = at
        ctx.save_for_backward(slopes, distances)
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        slopes, distances = ctx.saved_tensors
        by_distance = _SlopeSum.apply(gradient, slopes, distances, ctx.at) if is_wanted(ctx, 2) else None
        return gradient, None, by_distance, None


class _SlopeSum(torch.autograd.Function):
    """The sum of gradient_f slope_f over f for each pair."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, slopes: Tensor, distances: Tensor, at: Any) -> Tensor:
        ctx.at = at
        ctx.save_for_backward(gradient, slopes, distances)
        return row_dot(gradient, slopes).unsqueeze(1)

    @staticmethod
    def backward(ctx: Any, v: Tensor) -> Any:
        gradient, slopes, distances = ctx.saved_tensors
        by_slopes = v * gradient if is_wanted(ctx, 1) else None
        further = torch.is_grad_enabled()
        by_distance = None
        if further or is_wanted(ctx, 2):
            with torch.enable_grad():
                r = apart(distances)
                # Third derivatives need slopes that depend on the distances.
                slopes = ctx.at(r)[1]
                (curvature,) = torch.autograd.grad((gradient * slopes).sum(), r, create_graph=True)
            by_distance = v * (curvature if further else curvature.detach())
        by_gradient = v * (slopes if further else slopes.detach()) if is_wanted(ctx, 0) else None
        return by_gradient, by_slopes, by_distance, None
