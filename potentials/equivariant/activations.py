"""Activations that keep the variance of unit-normal input, and the gate that carries them to higher degrees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from potentials.equivariant.layout import Layout
from potentials.kernels import GatedBlock, GateTable, gate

# 1 / sqrt(E[f(x)^2]) for x ~ N(0, 1), with the seeded Monte-Carlo estimate that e3nn uses and published weights were
# trained with (exactly 1.67653 and 1.59254).
_SECOND_MOMENT_SCALE = {"silu": 1.6791767923989418, "tanh": 1.5937334472592695}
_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {"silu": nn.functional.silu, "tanh": torch.tanh}


class ScaledActivation(nn.Module):
    """A constant times f(x); by default 1 / sqrt(E[f(z)^2]), z ~ N(0, 1), keeps unit variance."""

    def __init__(self, name: Literal["silu", "tanh"] = "silu", factor: float | None = None) -> None:
        super().__init__()
        self.function = _FUNCTIONS[name]
        self.factor = _SECOND_MOMENT_SCALE[name] if factor is None else factor

    def forward(self, x: Tensor) -> Tensor:
        """Apply to every entry."""
        return self.function(x) * self.factor


class Gate(nn.Module):
    """Gated nonlinearity: scalars pass an activation, every other block is multiplied by an activated scalar gate.

    Even scalars and gates use silu, odd scalars tanh (an odd function keeps them odd); all normalised.
    Weiler et al., "3D Steerable CNNs" (2018), section 4.3; NequIP (Batzner et al. 2022).

    Attributes:
        layout: blocks of the input features; scalars first, as in every layout.
        gated: the blocks of degree > 0, in order; one gate per block and channel is expected.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.gated = tuple(irrep for irrep in layout if irrep.degree > 0)
        blocks = (
            GatedBlock(block.start, irrep.dim, irrep.degree == 0, irrep.parity > 0)
            for irrep, block in zip(layout, layout.slices(), strict=True)
        )
        self.table = GateTable(tuple(blocks), _SECOND_MOMENT_SCALE["silu"], _SECOND_MOMENT_SCALE["tanh"])

    def forward(self, features: Tensor, gates: Tensor) -> Tensor:
        """Features [N, components, C] and gates [N, number of gated blocks, C] to features of the same layout."""
        return gate(self.table, features, gates)
