"""The configuration of PaiNN."""

from __future__ import annotations

from typing import Literal

from potentials.config.base import Depth, Width
from potentials.config.families import FamilyConfig, RadialConfig


class PaiNNRadialConfig(RadialConfig):
    """Radial basis and its envelope, with the published number of functions; filters are linear in them."""

    size: Width = 20
    """Number of radial functions."""


class PaiNNConfig(FamilyConfig):
    """PaiNN: messages of scalars and vectors with continuous filters of the distance, gated by the atoms' scalars.

    Sums over neighbors are divided by the square root of `average_neighbors`; with 1 they are not scaled, as published.
    The published cutoff function is `radial.envelope: cosine`; the default has one more continuous derivative.
    """

    name: Literal["painn"]
    channels: Width = 128
    """Number of scalars of an atom, and of vectors."""
    layers: Depth = 3
    """Number of pairs of message and update blocks; each extends the range by one cutoff."""
    radial: PaiNNRadialConfig = PaiNNRadialConfig()
