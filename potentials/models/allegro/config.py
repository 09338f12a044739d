"""The configuration of Allegro."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from potentials.config.base import Depth, HiddenLayers, Width
from potentials.config.families import FamilyConfig, SteepRadialConfig


class AllegroConfig(FamilyConfig):
    """Allegro: strictly local features of ordered pairs of neighbors, which only depend on neighbors of one atom."""

    name: Literal["allegro"]
    channels: Width = 32
    """Channels of the tensor features of a pair."""
    scalar_channels: Width = 64
    """Number of invariant features of a pair."""
    layers: Depth = 2
    """Number of tensor products; each raises the body order by one, without increasing the range."""
    degree: int = Field(default=2, ge=0, le=4)
    """Highest degree of tensor features and spherical harmonics (l_max)."""
    parity: bool = True
    """Whether tensor features include pseudotensors (1e, 0o, ...) besides proper tensors; they can affect the energy
    with three or more layers."""
    radial: SteepRadialConfig = SteepRadialConfig()
    latent_mlp: HiddenLayers = Field(default=[64, 64])
    """Hidden layers of the scalar networks: the two-body network and that of each layer."""
    readout_mlp: HiddenLayers = Field(default=[32])
    """Hidden layers of the network for the pair energies."""
