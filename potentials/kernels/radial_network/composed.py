"""Gradients of radial networks, by differentiating their reference."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from potentials.kernels.autograd import vjp
from potentials.kernels.radial_network import reference


def radial_network_gradients(
    values: Tensor,
    slopes: Tensor,
    weight: Tensor,
    by_values: Tensor,
    by_slopes: Tensor,
    sizes: Sequence[int],
    scales: Sequence[float],
    inputs_wanted: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute gradients with respect to the weight and, if requested, to values and slopes."""

    def network(values: Tensor, slopes: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        return reference.radial_network(values, slopes, weight, sizes, scales, False)[:2]

    _, back = vjp(network, values, slopes, weight)
    onto_values, onto_slopes, onto_weight = back((by_values, by_slopes))
    if not inputs_wanted:
        onto_values, onto_slopes = values.new_empty(0), values.new_empty(0)
    return onto_weight, onto_values, onto_slopes
