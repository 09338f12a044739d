"""The base of every model family's configuration, and the register the families enter themselves into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from potentials.config.base import EnvelopePower, FiniteNumber, KeyedError, PositiveNumber, StrictConfig, Width
from potentials.config.elements import Elements, ElementSymbol, missing_symbols
from potentials.config.words import describe_value, one_of, quote, suggestion


class RadialConfig(StrictConfig):
    """Radial basis and its envelope."""

    basis: Literal["bessel", "gaussian", "chebyshev"] = "bessel"
    """Kind of the functions of the distance."""
    size: Width = 8
    """Number of radial functions."""
    trainable: bool = False
    """Whether the frequencies (Bessel) or centers (Gaussian) are learned."""
    envelope: Literal["polynomial", "cosine", "smooth"] = "polynomial"
    """What ends the functions at the cutoff: with two continuous derivatives, with one, or with all."""
    envelope_power: EnvelopePower = 5
    """Power p of the polynomial envelope, which vanishes at the cutoff with two derivatives."""
    distance_transform: Literal["none", "agnesi"] = "none"
    """`agnesi` stretches short distances before the basis, as MACE-MP-0b does."""

    @model_validator(mode="after")
    def _something_to_train(self) -> Self:
        if self.trainable and self.basis == "chebyshev":
            raise ValueError("trainable: the Chebyshev basis has nothing to learn; use bessel or gaussian, or false")
        return self


class SteepRadialConfig(RadialConfig):
    """As published for NequIP and Allegro: the envelope stays near one for longer and then falls more steeply."""

    envelope_power: EnvelopePower = 6
    """Power p of the polynomial envelope, which vanishes at the cutoff with two derivatives."""


class ZBLConfig(StrictConfig):
    """Repulsion of screened nuclei at short distances."""

    envelope_power: EnvelopePower = 6
    """Power p of the polynomial envelope, which ends it at the sum of the covalent radii."""
    prefactor: PositiveNumber = 1.0
    """Factor on the physical repulsion; weights taken over from MACE carry their scale here."""


def _default_zbl(value: Any) -> Any:
    """`zbl: true` is short for the repulsion as it is, `zbl: false` for none."""
    if isinstance(value, bool):
        return ZBLConfig() if value else None
    return value


class FamilyConfig(StrictConfig):
    """What every family has: its name, the cutoff, and what can be inferred from the training data."""

    closed_form: ClassVar[bool] = False
    """Whether the family is linear in its parameters and fitted by least squares instead of trained."""

    without_readout: ClassVar[str] = ""
    """Why the family has no settings called `readout...`, where someone may look for them; said to who gives one."""

    name: str
    """Which family: the name of its file in `potentials.models`."""
    cutoff: float = Field(default=5.0, gt=0.5, le=20.0)
    """Radius of the neighborhood in A. Stated here and nowhere else."""
    elements: Literal["auto"] | Elements = "auto"
    """Chemical symbols the model knows; `auto` takes those of the training frames."""
    average_neighbors: Literal["auto"] | PositiveNumber = "auto"
    """Mean number of neighbors, by which messages are normalized; `auto` measures the training frames."""
    scale: Literal["auto"] | PositiveNumber | dict[ElementSymbol, PositiveNumber] = "auto"
    """Factor on the node energies in eV, one number or one per element.
    `auto` is the RMS force of the training frames."""
    shift: Literal["auto"] | FiniteNumber | dict[ElementSymbol, FiniteNumber] = "auto"
    """Added to each node energy in eV; `auto` is the mean of (energy - reference energies) per atom."""
    zbl: Annotated[ZBLConfig | None, BeforeValidator(_default_zbl, bool | ZBLConfig | None)] = None
    """Add the Ziegler-Biersack-Littmark repulsion of screened nuclei; `true` takes it as it is."""

    @model_validator(mode="before")
    @classmethod
    def _no_readout(cls, section: Any) -> Any:
        if not cls.without_readout or not isinstance(section, dict):
            return section
        # Before pydantic calls it an unknown key, which says less.
        keys = [key for key in section if isinstance(key, str) and key.startswith("readout")]
        if keys:
            raise KeyedError({f"model.{key}": cls.without_readout for key in keys})
        return section

    @model_validator(mode="after")
    def _every_element_has_scale_and_shift(self) -> Self:
        found = {}
        for name, values in (("scale", self.scale), ("shift", self.shift)):
            if isinstance(values, dict) and self.elements != "auto":
                missing = missing_symbols(self.elements, values)
                if missing:
                    found[f"model.{name}"] = f"no value for {missing}, which model.elements names"
        if found:
            raise KeyedError(found)
        return self

    @property
    def exactly_symmetric(self) -> bool:
        """Whether energies keep the symmetry under rotations and reflections to rounding."""
        return True

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


def family_config(section: Any) -> Any:
    """Read a `model` section with the configuration class of the family it names.

    What is not a mapping is returned as it is, for pydantic to refuse.

    Raises:
        KeyedError: `name` is missing or is no registered family.
        pydantic.ValidationError: the section does not fit its family.
    """
    if not isinstance(section, dict):
        return section
    expected = f"the name of a family, {one_of([quote(name) for name in families()])}"
    if "name" not in section:
        raise KeyedError({"model.name": f"missing; expected {expected}"})
    name = section["name"]
    if not isinstance(name, str) or name not in _FAMILIES:
        close = suggestion(name, _FAMILIES) if isinstance(name, str) else ""
        raise KeyedError({"model.name": f"expected {expected}, got {describe_value(name)}{close}"})
    return _FAMILIES[name].model_validate(section)
