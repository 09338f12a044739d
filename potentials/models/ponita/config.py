"""The configuration of PONITA."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from potentials.config.base import Depth, EnvelopePower, Width
from potentials.config.families import FamilyConfig

_NO_READOUT = (
    "ponita has no readout settings: each layer has a linear readout of the energy, and forces are its gradient; "
    "remove this key"
)


class PonitaConfig(FamilyConfig):
    """PONITA: node features at each orientation of a fixed grid, convolved over space and over the sphere.

    Rotation invariance is approximate and improves with the number of orientations; `potentials inspect` measures it.
    With `orientations: 0` the model depends on distances only and is exactly invariant.
    """

    without_readout: ClassVar[str] = _NO_READOUT

    name: Literal["ponita"]
    channels: Width = 128
    """Number of features of an atom at each orientation."""
    layers: Depth = 5
    """Number of convolutions; each extends the range by one cutoff."""
    orientations: int = Field(default=20, ge=0, le=200)
    """Number of grid points on the sphere; 0 for a model that depends on distances only."""
    basis: Width = 256
    """Number of basis functions of the convolution kernels."""
    polynomial_degree: int = Field(default=3, ge=1, le=8)
    """Highest degree of the polynomials of invariants from which the basis functions are computed."""
    widening: int = Field(default=4, ge=1, le=64)
    """Size of the hidden layer of each block, in multiples of `channels`."""
    envelope_power: EnvelopePower = 6
    """Power p of the polynomial envelope of the convolutions, with two continuous derivatives at the cutoff."""

    @model_validator(mode="after")
    def _enough_orientations(self) -> PonitaConfig:
        if 0 < self.orientations < 4:
            raise ValueError(
                f"orientations: expected 0 or at least 4, got {self.orientations}; fewer points cannot cover the sphere"
            )
        return self

    @property
    def broken_symmetry(self) -> tuple[Literal["rotations", "reflections"], str] | None:
        """Rotations, unless there are no orientations.

        The invariants of position and orientation are those of O(3), including reflections, so with all orientations of
        the sphere the model would be exact. A grid has few symmetries, and no inversion.
        """
        return ("rotations", "of its grid of orientations") if self.orientations else None
