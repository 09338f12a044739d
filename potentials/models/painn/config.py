"""The configuration of PaiNN."""

from __future__ import annotations

from typing import Literal

from potentials.config.base import Depth, Width
from potentials.config.families import FamilyConfig, RadialConfig


class PaiNNRadialConfig(RadialConfig):
    """As many functions as published: filters are linear in them."""

    size: Width = 20
    """Number of radial functions."""


class PaiNNConfig(FamilyConfig):
    """PaiNN: scalars and vectors, sent through continuous filters of the distance and gated by each atom's scalars.

    Sums over neighbors are divided by the root of `average_neighbors`; with 1 they are sums, as published. The
    published cutoff function is `radial.envelope: cosine`; the default has one continuous derivative more.
    """

    name: Literal["painn"]
    channels: Width = 128
    """Scalars of an atom, and vectors."""
    layers: Depth = 3
    """Message and update blocks; each pair adds one cutoff to what an atom sees."""
    radial: PaiNNRadialConfig = PaiNNRadialConfig()
