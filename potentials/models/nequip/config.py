"""The configuration of NequIP."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from potentials.config.base import Depth, HiddenLayers, KeyedError, Width
from potentials.config.families import FamilyConfig, SteepRadialConfig

_MOST_COPIES = 16
"""Largest ratio of a number of channels to the common divisor of all, in whose units kernels work."""


class NequIPConfig(FamilyConfig):
    """NequIP: layers of equivariant convolution, self-connection and gate, then a linear readout."""

    name: Literal["nequip"]
    channels: Width | Annotated[list[Width], Field(min_length=1)] = 32
    """Channels of every degree and parity; or a list with one number for each degree from 0 to `degree`, such as
    `[128, 64, 32]`."""
    layers: Depth = 4
    """Number of message-passing layers; each extends the range by one cutoff."""
    degree: int = Field(default=1, ge=0, le=4)
    """Highest degree of features and spherical harmonics (l_max)."""
    parity: bool | Literal["ignored"] = True
    """Whether features include pseudotensors (1e, 0o, ...) besides proper tensors. With `ignored`, all products that
    rotations allow are formed, and energies are not invariant under reflections (SevenNet's default)."""
    radial: SteepRadialConfig = SteepRadialConfig()
    radial_mlp: HiddenLayers = Field(default=[64, 64])
    """Hidden layers of the radial networks."""
    self_connection: bool | Literal["all layers", "linear"] = True
    """`true` adds a species-dependent linear map of each layer's input in all layers but the first, `all layers` in
    every layer, `false` in none; `linear` adds, in every layer, a linear map that does not depend on the species
    (SevenNet)."""
    bias: bool = False
    """Whether linear maps of features add a learned bias to scalars."""
    solid_harmonics: bool = False
    """Whether harmonics of degree l are multiplied by r^l, r in A (models of SevenNet before July 2024)."""

    @model_validator(mode="after")
    def _channels_of_every_degree(self) -> Self:
        if isinstance(self.channels, int):
            return self
        wanted = f"one number for each degree from 0 to {self.degree}"
        if len(self.channels) != self.degree + 1:
            raise KeyedError({"model.channels": f"expected {wanted} (model.degree), got {len(self.channels)} numbers"})
        if max(self.channels) > _MOST_COPIES * self.channel_unit:
            raise KeyedError(
                {
                    "model.channels": f"expected numbers whose greatest common divisor is at least 1/{_MOST_COPIES} of "
                    "the largest number, because kernels process channels in groups of that size; got "
                    f"{self.channels}, whose greatest common divisor is {self.channel_unit}. Use multiples of 8 or 16, "
                    "such as [64, 32]"
                }
            )
        return self

    @property
    def channel_unit(self) -> int:
        """Greatest common divisor of the numbers of channels."""
        return self.channels if isinstance(self.channels, int) else math.gcd(*self.channels)

    @property
    def scalar_channels(self) -> int:
        """Number of channels of scalars."""
        return self.channels_of(0)

    def channels_of(self, degree: int) -> int:
        """Return the number of channels of a degree."""
        return self.channels if isinstance(self.channels, int) else self.channels[degree]

    @property
    def broken_symmetry(self) -> tuple[Literal["rotations", "reflections"], str] | None:
        """Transformations under which energies are only approximately invariant, and the reason."""
        return ("reflections", "its features ignore parity") if self.parity == "ignored" else None
