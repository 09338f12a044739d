"""The configuration of PONITA."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from potentials.config.base import Depth, EnvelopePower, Width
from potentials.config.families import FamilyConfig

_NO_READOUT = (
    "ponita gives energies here, and forces as their gradient, so there is no readout of vectors (which without "
    "orientations could not be: orientations: 0 knows no directions); leave this out"
)


class PonitaConfig(FamilyConfig):
    """PONITA: features of atoms at each orientation of a fixed grid, convolved over space and over the sphere.

    With orientations the symmetry under rotations is approximate, the better the more there are; `potentials inspect`
    measures it. Without (`orientations: 0`) the model sees distances only and is exactly invariant.
    """

    without_readout: ClassVar[str] = _NO_READOUT

    name: Literal["ponita"]
    channels: Width = 128
    """Features of an atom at each orientation."""
    layers: Depth = 5
    """Convolutions; each adds one cutoff to what an atom sees."""
    orientations: int = Field(default=20, ge=0, le=200)
    """Points of the grid on the sphere; 0 for a model of distances only."""
    basis: Width = 256
    """Functions that all convolution kernels are made of."""
    polynomial_degree: int = Field(default=3, ge=1, le=8)
    """Invariants enter these functions as polynomials up to this degree."""
    widening: int = Field(default=4, ge=1, le=64)
    """Hidden layer of each block, in multiples of the channels."""
    envelope_power: EnvelopePower = 6
    """Power p of the polynomial envelope, which ends convolutions at the cutoff with two derivatives."""

    @model_validator(mode="after")
    def _enough_orientations(self) -> PonitaConfig:
        if 0 < self.orientations < 4:
            raise ValueError(
                f"orientations: expected 0 or at least 4, got {self.orientations}; fewer points span no sphere"
            )
        return self

    @property
    def exactly_symmetric(self) -> bool:
        """Only without orientations.

        The invariants of position and orientation are those of O(3), reflections included: with all orientations of
        the sphere the model would be exact. A grid of them has few symmetries of its own, and no inversion.
        """
        return self.orientations == 0
