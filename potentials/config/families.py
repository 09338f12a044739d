"""The base of every model family's configuration, and the register the families enter themselves into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pydantic import Field

from potentials.config.base import FiniteNumber, PositiveInteger, PositiveNumber, StrictConfig


class RadialConfig(StrictConfig):
    """Radial basis and its envelope."""

    basis: Literal["bessel", "gaussian", "chebyshev"] = "bessel"
    size: PositiveInteger = 8
    """Number of radial functions."""
    trainable: bool = False
    """Whether the frequencies (Bessel) or centres (Gaussian) are learned."""
    envelope: Literal["polynomial", "cosine", "smooth"] = "polynomial"
    envelope_power: int = Field(default=5, ge=2)
    """Power p of the polynomial envelope, which vanishes at the cutoff with two derivatives."""
    distance_transform: Literal["none", "agnesi"] = "none"
    """`agnesi` stretches short distances before the basis, as MACE-MP-0b does."""


class FamilyConfig(StrictConfig):
    """What every family has: its name, the cutoff, and what can be inferred from the training data."""

    name: str
    """Which family: the name of its file in `potentials.models`."""
    cutoff: float = Field(default=5.0, gt=0.5, le=20.0)
    """Radius of the neighbourhood in A. Stated here and nowhere else."""
    elements: Literal["auto"] | list[str] = "auto"
    """Chemical symbols the model knows; `auto` takes those of the training frames."""
    average_neighbors: Literal["auto"] | PositiveNumber = "auto"
    """Mean number of neighbours, by which messages are normalised; `auto` measures the training frames."""
    scale: Literal["auto"] | PositiveNumber | dict[str, PositiveNumber] = "auto"
    """Factor on the node energies in eV, one number or one per element; `auto` is the RMS force of the training frames."""
    shift: Literal["auto"] | FiniteNumber | dict[str, FiniteNumber] = "auto"
    """Added to each node energy in eV; `auto` is the mean of (energy - reference energies) per atom."""
    zbl: bool = False
    """Add the Ziegler-Biersack-Littmark repulsion of screened nuclei."""

    def build(self) -> Any:
        """Make the model (a `torch.nn.Module`) this configuration describes; families say how with `register_family`.

        `elements` and `average_neighbors` must have been resolved to values by then.
        """
        return _BUILDERS[self.name](self)


_FAMILIES: dict[str, type[FamilyConfig]] = {}
_BUILDERS: dict[str, Callable[[Any], Any]] = {}


def register_family(name: str, config_class: type[FamilyConfig], build: Callable[[Any], Any]) -> None:
    """Enter a family: its name in YAML, its configuration class, and how a model is made from it."""
    _FAMILIES[name] = config_class
    _BUILDERS[name] = build


def families() -> dict[str, type[FamilyConfig]]:
    """The registered families, by name. Importing `potentials.models` registers all that ship with the package."""
    return dict(sorted(_FAMILIES.items()))


