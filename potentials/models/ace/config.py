"""The configuration of linear ACE."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from potentials.config.base import FiniteNumber, PositiveInteger, PositiveNumber, Width
from potentials.config.elements import ElementSymbol
from potentials.config.families import FamilyConfig, RadialConfig
from potentials.equivariant.invariants import MAX_ORDER

_NO_READOUT = (
    "ace is fitted in closed form: its energy is linear in its basis, without a readout network; leave this out, and "
    "raise polynomial_degree or correlation for a richer basis"
)


class ACERadialConfig(RadialConfig):
    """More functions than other families have: nothing makes new ones of them."""

    size: Width = 12
    """Number of radial functions, n = 1 to size."""


class ACEConfig(FamilyConfig):
    """Linear ACE: all invariant products of up to `correlation` neighbor densities, within a total degree.

    The energy is linear in its coefficients. They are fitted in closed form, by regularized least squares on energies,
    forces and stress with the weights of `loss`; there are no epochs. It spans what MTP and SNAP span.
    """

    closed_form: ClassVar[bool] = True
    without_readout: ClassVar[str] = _NO_READOUT

    name: Literal["ace"]
    correlation: int = Field(default=3, ge=1, le=MAX_ORDER)
    """Highest number of factors of a product; body order is correlation + 1."""
    polynomial_degree: PositiveInteger | list[PositiveInteger] = 10
    """Largest sum of n + l (radial function and degree) over the factors of a product; one number, or one for each
    number of factors."""
    angular_degree: int = Field(default=5, ge=0, le=8)
    """Highest degree l of the spherical harmonics."""
    radial: ACERadialConfig = ACERadialConfig()
    regularization: Literal["auto"] | PositiveNumber = "auto"
    """Ridge parameter, relative to the largest singular value squared of the equations in columns of unit norm;
    `auto` takes what the validation frames like best."""
    scale: Literal["auto"] | PositiveNumber | dict[ElementSymbol, PositiveNumber] = 1.0
    """Factor on the node energies in eV; the fit finds the same energies whatever it is."""
    shift: Literal["auto"] | FiniteNumber | dict[ElementSymbol, FiniteNumber] = 0.0
    """Added to each node energy in eV; with 0 an isolated atom has its reference energy."""

    @model_validator(mode="after")
    def _consistent(self) -> ACEConfig:
        if isinstance(self.polynomial_degree, list) and len(self.polynomial_degree) != self.correlation:
            raise ValueError(
                f"polynomial_degree: expected one number or {self.correlation} (one for each number of factors), got "
                f"{len(self.polynomial_degree)}"
            )
        if self.radial.trainable:
            raise ValueError("radial.trainable: ace is linear in everything that is fitted; use false")
        return self

    def degree_of(self, order: int) -> int:
        """Largest total degree of products of this many factors."""
        degree = self.polynomial_degree
        return degree[order - 1] if isinstance(degree, list) else degree
