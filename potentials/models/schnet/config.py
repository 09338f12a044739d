"""The configuration of SchNet."""

from __future__ import annotations

from typing import Literal

from potentials.config.base import Depth, Width
from potentials.config.families import FamilyConfig, RadialConfig


class SchNetRadialConfig(RadialConfig):
    """Gaussians, close together."""

    basis: Literal["bessel", "gaussian", "chebyshev"] = "gaussian"
    """Kind of the functions of the distance."""
    size: Width = 50
    """Number of radial functions."""


class SchNetConfig(FamilyConfig):
    """SchNet: each layer weighs neighbors by learned functions of their distance; features are scalars only.

    Sums over neighbors are divided by the root of `average_neighbors`; with 1 they are sums, as published. The
    published cutoff function is `radial.envelope: cosine`; the default has one continuous derivative more.
    """

    name: Literal["schnet"]
    channels: Width = 128
    """Features of an atom, and filters."""
    layers: Depth = 3
    """Interaction blocks; each adds one cutoff to what an atom sees."""
    radial: SchNetRadialConfig = SchNetRadialConfig()
