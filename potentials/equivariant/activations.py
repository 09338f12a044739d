"""Activations that preserve the variance of standard normal input, and gates for features of higher degree."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from potentials.equivariant.layout import Blocks, Irrep, Layout
from potentials.errors import LayoutError
from potentials.kernels import GatedBlock, GateTable, gate

# 1 / sqrt(E[f(x)^2]) for x ~ N(0, 1): the seeded Monte Carlo estimates of e3nn, with which published weights were
# trained (the exact values are 1.67653 and 1.59254).
_SECOND_MOMENT_SCALE = {"silu": 1.6791767923989418, "tanh": 1.5937334472592695}
_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {"silu": nn.functional.silu, "tanh": torch.tanh}


class ScaledActivation(nn.Module):
    """c f(x), where the default c = 1 / sqrt(E[f(z)^2]), z ~ N(0, 1), preserves unit variance.

    Args:
        name: the activation f.
        factor: c, if not the default.
    """

    def __init__(self, name: Literal["silu", "tanh"] = "silu", factor: float | None = None) -> None:
        super().__init__()
        self.function = _FUNCTIONS[name]
        self.factor = _SECOND_MOMENT_SCALE[name] if factor is None else factor

    def forward(self, x: Tensor) -> Tensor:
        """Apply the activation to every element; any shape."""
        return self.function(x) * self.factor


class Gate(nn.Module):
    """Gated nonlinearity: an activation is applied to scalars, and all other blocks are multiplied by activated gates.

    Even scalars and gates use silu, odd scalars tanh (an odd function preserves their parity); both are normalized.
    Weiler et al., "3D Steerable CNNs" (2018), section 4.3; NequIP (Batzner et al. 2022).

    Args:
        features: blocks of the input features.

    Attributes:
        blocks: blocks of the input features; scalars first, as in every layout.
        gated: the blocks of degree > 0, in order; each copy needs one gate per channel.
    """

    def __init__(self, features: Layout | Blocks) -> None:
        super().__init__()
        self.blocks = Blocks.of(features)
        self.gated = Blocks((irrep, copies) for irrep, copies in self.blocks if irrep.degree > 0)
        blocks = (
            GatedBlock(rows.start, irrep.dim, irrep.degree == 0, irrep.parity > 0, copies)
            for (irrep, copies), rows in zip(self.blocks, self.blocks.slices(), strict=True)
        )
        self.table = GateTable(tuple(blocks), _SECOND_MOMENT_SCALE["silu"], _SECOND_MOMENT_SCALE["tanh"])

    def forward(self, features: Tensor, gates: Tensor) -> Tensor:
        """Map features [N, rows, C] and gates [N, copies of gated blocks, C] to features of the same blocks."""
        return gate(self.table, features, gates)


def _normal_distribution(x: Tensor) -> Tensor:
    """Compute Phi(x) without loss of precision for negative x."""
    return 0.5 * torch.special.erfc(-x * math.sqrt(0.5))


def _tanh_of_softplus(x: Tensor) -> Tensor:
    return torch.tanh(nn.functional.softplus(x))


ActivationName = Literal["silu", "gelu", "mish"]
_PLAIN: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": nn.functional.silu,
    "gelu": nn.functional.gelu,
    "mish": nn.functional.mish,
}
_GATES: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": torch.sigmoid,
    "gelu": _normal_distribution,
    "mish": _tanh_of_softplus,
}


class GatedActivation(nn.Module):
    """y = gate(x_0e) x for each channel, where gate(x) x is an activation, as in E3x (arXiv:2401.07595).

    Even scalars pass through the activation, and every other block is multiplied by the gate of the scalars. With the
    layout 0e alone this is an ordinary activation.

    Args:
        layout: blocks of the features.
        name: silu, x sigmoid(x); gelu, x Phi(x); or mish, x tanh(ln(1 + e^x)).

    Raises:
        LayoutError: the layout has no even scalars.
    """

    def __init__(self, layout: Layout, name: ActivationName = "silu") -> None:
        super().__init__()
        scalar = Irrep(0, 1)
        if scalar not in layout:
            raise LayoutError(f"expected a layout with even scalars (0e), which control the gates, got {layout}")
        self.is_plain = len(layout) == 1
        self.start = layout.slice_of(scalar).start
        self.gate, self.plain = _GATES[name], _PLAIN[name]

    def forward(self, x: Tensor) -> Tensor:
        """Map features [N, components, C] to features of the same layout and shape."""
        if self.is_plain:
            return self.plain(x)
        return self.gate(x[:, self.start : self.start + 1]) * x
