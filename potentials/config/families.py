"""Base of the configuration of all model families, and the registry of families."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from potentials.config.base import EnvelopePower, FiniteNumber, KeyedError, PositiveNumber, StrictConfig, Width
from potentials.config.elements import Elements, ElementSymbol, missing_symbols
from potentials.config.messages.descriptions import describe_value, join_or, quote, suggestion


class RadialConfig(StrictConfig):
    """Radial basis and its envelope (cutoff function)."""

    basis: Literal["bessel", "gaussian", "chebyshev"] = "bessel"
    """Type of radial basis functions."""
    size: Width = 8
    """Number of radial basis functions."""
    trainable: bool = False
    """Whether the frequencies (Bessel) or centers (Gaussian) are trained."""
    envelope: Literal["polynomial", "cosine", "smooth", "xplor"] = "polynomial"
    """Cutoff function: `polynomial` has two continuous derivatives at the cutoff, `cosine` one, `smooth` all; `xplor`
    has one, and is 1 up to `envelope_onset`."""
    envelope_power: EnvelopePower = 5
    """Power p of the polynomial envelope, which vanishes at the cutoff together with its first two derivatives."""
    envelope_onset: float = Field(default=0.9, ge=0, lt=1)
    """Distance at which the `xplor` envelope begins to fall, as a fraction of the cutoff."""
    distance_transform: Literal["none", "agnesi"] = "none"
    """`agnesi` applies the Agnesi transform of MACE-MP-0b, which resolves short distances better."""

    @model_validator(mode="after")
    def _something_to_train(self) -> Self:
        if self.trainable and self.basis == "chebyshev":
            raise ValueError(
                "trainable: the Chebyshev basis has no parameters; set trainable: false, or basis: bessel or gaussian"
            )
        return self


class SteepRadialConfig(RadialConfig):
    """Radial basis as published for NequIP and Allegro, with a steeper envelope."""

    envelope_power: EnvelopePower = 6
    """Power p of the polynomial envelope, which vanishes at the cutoff together with its first two derivatives."""


class ZBLConfig(StrictConfig):
    """Ziegler-Biersack-Littmark (ZBL) repulsion of screened nuclei at short distances."""

    envelope_power: EnvelopePower = 6
    """Power p of the polynomial envelope, which vanishes at the end of the range."""
    range: Literal["covalent radii", "cutoff"] = "covalent radii"
    """Distance at which the repulsion ends: the sum of the covalent radii (MACE), or the cutoff, with the constants of
    LAMMPS (nequip)."""
    prefactor: PositiveNumber = 1.0
    """Factor on the ZBL energy; converted MACE models store their energy scale here."""


def _default_zbl(value: Any) -> Any:
    """Expand `zbl: true` to the default settings, `zbl: false` to no repulsion."""
    if isinstance(value, bool):
        return ZBLConfig() if value else None
    return value


class FamilyConfig(StrictConfig):
    """Settings of all families: name, cutoff, and values that can be inferred from the training data."""

    closed_form: ClassVar[bool] = False
    """Whether the family is linear in its parameters and fitted by least squares instead of trained."""

    without_readout: ClassVar[str] = ""
    """Reason why the family has no keys `readout...`, shown if one is given."""

    name: str
    """Name of the model family."""
    cutoff: float = Field(default=5.0, gt=0.5, le=20.0)
    """Cutoff radius of the neighbor list in A."""
    elements: Literal["auto"] | Elements = "auto"
    """Chemical symbols of the model; `auto` takes those of the training set."""
    average_neighbors: Literal["auto"] | PositiveNumber = "auto"
    """Mean number of neighbors, by which messages are normalized; `auto` computes it from the training set."""
    scale: Literal["auto"] | PositiveNumber | dict[ElementSymbol, PositiveNumber] = "auto"
    """Scale of the node energies in eV, one number or one per element. `auto` is the RMS of the force components (eV/A)
    of the training set."""
    shift: Literal["auto"] | FiniteNumber | dict[ElementSymbol, FiniteNumber] = "auto"
    """Shift of the node energies in eV, one number or one per element. `auto` is the mean of (energy - reference
    energies) per atom."""
    zbl: Annotated[ZBLConfig | None, BeforeValidator(_default_zbl, bool | ZBLConfig | None)] = None
    """Ziegler-Biersack-Littmark repulsion of screened nuclei; `true` uses the default settings."""

    @model_validator(mode="before")
    @classmethod
    def _no_readout(cls, section: Any) -> Any:
        if not cls.without_readout or not isinstance(section, dict):
            return section
        # Checked before pydantic reports an unknown key, whose message would be less helpful.
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
                    found[f"model.{name}"] = f"no value for {missing}, which model.elements contains"
        if found:
            raise KeyedError(found)
        return self

    @property
    def broken_symmetry(self) -> tuple[Literal["rotations", "reflections"], str] | None:
        """Transformations under which energies are only approximately invariant, and the reason; None if all are
        exact."""
        return None

    @property
    def exactly_symmetric(self) -> bool:
        """Whether energies are invariant under rotations and reflections up to rounding."""
        return self.broken_symmetry is None

    def build(self) -> Any:
        """Build the model (a `torch.nn.Module`) of this configuration, with the function given to `register_family`.

        `elements` and `average_neighbors` must have been resolved to values by then.
        """
        return _BUILDERS[self.name](self)


_FAMILIES: dict[str, type[FamilyConfig]] = {}
_BUILDERS: dict[str, Callable[[Any], Any]] = {}


def register_family(name: str, config_class: type[FamilyConfig], build: Callable[[Any], Any]) -> None:
    """Register a family: its name in YAML, its configuration class, and the function that builds a model."""
    _FAMILIES[name] = config_class
    _BUILDERS[name] = build


def families() -> dict[str, type[FamilyConfig]]:
    """Return the registered families by name. Importing `potentials.models` registers those of the package."""
    return dict(sorted(_FAMILIES.items()))


def family_config(section: Any) -> Any:
    """Read a `model` section with the configuration class of the family it names.

    Values that are not mappings are returned unchanged; pydantic rejects them.

    Raises:
        KeyedError: `name` is missing or is not a registered family.
        pydantic.ValidationError: the section is not valid for its family.
    """
    if not isinstance(section, dict):
        return section
    expected = f"the name of a family, {join_or([quote(name) for name in families()])}"
    if "name" not in section:
        raise KeyedError({"model.name": f"missing; expected {expected}"})
    name = section["name"]
    if not isinstance(name, str) or name not in _FAMILIES:
        close = suggestion(name, _FAMILIES) if isinstance(name, str) else ""
        raise KeyedError({"model.name": f"expected {expected}, got {describe_value(name)}{close}"})
    return _FAMILIES[name].model_validate(section)
