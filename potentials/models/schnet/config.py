"""The configuration of SchNet."""

from __future__ import annotations

from typing import Literal

from potentials.config.base import Depth, Width
from potentials.config.families import FamilyConfig, RadialConfig


class SchNetRadialConfig(RadialConfig):
    """Radial basis (closely spaced Gaussians) and its envelope."""

    basis: Literal["bessel", "gaussian", "chebyshev"] = "gaussian"
    """Type of radial functions."""
    size: Width = 50
    """Number of radial functions."""


class SchNetConfig(FamilyConfig):
    """SchNet: each layer weights neighbors by learned functions of their distance; features are scalars only.

    Sums over neighbors are divided by the square root of `average_neighbors`; with 1 they are not scaled, as published.
    The published cutoff function is `radial.envelope: cosine`; the default has one more continuous derivative.
    """

    name: Literal["schnet"]
    channels: Width = 128
    """Number of features of an atom, and of filters."""
    layers: Depth = 3
    """Number of interaction blocks; each extends the range by one cutoff."""
    radial: SchNetRadialConfig = SchNetRadialConfig()
