"""The configuration of linear ACE."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from potentials.config.base import FiniteNumber, PositiveInteger, PositiveNumber, Width
from potentials.config.elements import ElementSymbol
from potentials.config.families import FamilyConfig, RadialConfig
from potentials.equivariant.invariants import MAX_ORDER

_NO_READOUT = (
    "ace is fitted in closed form: its energy is linear in its basis, without a readout network; remove this key, and "
    "raise polynomial_degree or correlation for a larger basis"
)


class ACERadialConfig(RadialConfig):
    """Radial basis and its envelope; more functions than in other families, because no radial network combines them."""

    size: Width = 12
    """Number of radial functions, n = 1 to size."""


class ACEConfig(FamilyConfig):
    """Linear ACE: all invariant products of up to `correlation` neighbor densities, up to a total degree.

    The energy is linear in the coefficients, which are fitted in closed form, by regularized least squares on energies,
    forces and stress with the weights of `loss`; there are no epochs. MTP and SNAP are special
    cases of the atomic cluster expansion.
    """

    closed_form: ClassVar[bool] = True
    without_readout: ClassVar[str] = _NO_READOUT

    name: Literal["ace"]
    correlation: int = Field(default=3, ge=1, le=MAX_ORDER)
    """Highest number of factors of a product; body order is correlation + 1."""
    polynomial_degree: PositiveInteger | list[PositiveInteger] = 10
    """Largest sum of n + l (index of the radial function plus degree) over the factors of a product; one number, or one
    for each number of factors."""
    angular_degree: int = Field(default=5, ge=0, le=8)
    """Highest degree l of the spherical harmonics."""
    radial: ACERadialConfig = ACERadialConfig()
    regularization: Literal["auto"] | PositiveNumber = "auto"
    """Ridge parameter, relative to the square of the largest singular value of the equations with normalized columns;
    `auto` selects the value with the smallest validation loss."""
    scale: Literal["auto"] | PositiveNumber | dict[ElementSymbol, PositiveNumber] = 1.0
    """Factor of the node energies, eV; the fitted energies do not depend on it."""
    shift: Literal["auto"] | FiniteNumber | dict[ElementSymbol, FiniteNumber] = 0.0
    """Value added to each node energy, eV; with 0, an isolated atom has its reference energy."""

    @model_validator(mode="after")
    def _consistent(self) -> ACEConfig:
        if isinstance(self.polynomial_degree, list) and len(self.polynomial_degree) != self.correlation:
            raise ValueError(
                f"polynomial_degree: expected one number or {self.correlation} (one for each number of factors), got "
                f"{len(self.polynomial_degree)}"
            )
        if self.radial.trainable:
            raise ValueError("radial.trainable: ace only fits linear coefficients; use false")
        return self

    def degree_of(self, order: int) -> int:
        """Return the largest total degree of products of `order` factors."""
        degree = self.polynomial_degree
        return degree[order - 1] if isinstance(degree, list) else degree
