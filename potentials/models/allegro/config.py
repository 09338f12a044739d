"""The configuration of Allegro."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from potentials.config.base import Depth, HiddenLayers, Width
from potentials.config.families import FamilyConfig, SteepRadialConfig


class AllegroConfig(FamilyConfig):
    """Allegro: features of ordered pairs of neighbors, which see the neighbors of one atom and nothing beyond."""

    name: Literal["allegro"]
    channels: Width = 32
    """Channels of the tensor features of a pair."""
    scalar_channels: Width = 64
    """Invariant features of a pair."""
    layers: Depth = 2
    """Tensor products: each raises the body order by one, and none enlarges what an atom sees."""
    degree: int = Field(default=2, ge=0, le=4)
    """Highest degree of tensor features and spherical harmonics (l_max)."""
    parity: bool = True
    """Whether tensor features hold pseudotensors (1e, 0o, ...) besides proper tensors, where those can reach an energy:
    with three layers or more."""
    radial: SteepRadialConfig = SteepRadialConfig()
    latent_mlp: HiddenLayers = Field(default=[64, 64])
    """Hidden layers of the networks of scalars: of two bodies, and of each layer."""
    readout_mlp: HiddenLayers = Field(default=[32])
    """Hidden layers of the network that gives a pair's energy."""
