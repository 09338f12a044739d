"""The configuration of NequIP."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from potentials.config.base import Depth, HiddenLayers, Width
from potentials.config.families import FamilyConfig, SteepRadialConfig


class NequIPConfig(FamilyConfig):
    """NequIP: layers of equivariant convolution, species-dependent self-connection and gate, then a linear readout."""

    name: Literal["nequip"]
    channels: Width = 32
    """Channels of every degree and parity."""
    layers: Depth = 4
    """Number of message-passing layers; each extends the range by one cutoff."""
    degree: int = Field(default=1, ge=0, le=4)
    """Highest degree of features and spherical harmonics (l_max)."""
    parity: bool = True
    """Whether features include pseudotensors (1e, 0o, ...) besides proper tensors."""
    radial: SteepRadialConfig = SteepRadialConfig()
    radial_mlp: HiddenLayers = Field(default=[64, 64])
    """Hidden layers of the radial networks."""
    self_connection: bool = True
    """Add a species-dependent linear map of each layer's input (in all layers but the first)."""
