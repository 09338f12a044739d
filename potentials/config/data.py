"""The `data` section: files, label keys with their units, splits, weights, reference energies, batches."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from potentials.config.base import (
    FiniteNumber,
    Fraction,
    KeyedError,
    NonNegativeInteger,
    NonNegativeNumber,
    PositiveInteger,
    StrictConfig,
)
from potentials.config.elements import ElementSymbol
from potentials.config.messages.descriptions import Description
from potentials.units import EnergyUnit, ForceUnit, LengthUnit, StressUnit

SignConvention = Literal["tension-positive", "compression-positive"]
SixOrder = Literal["xx yy zz yz xz xy", "xx yy zz xy yz xz", "xx yy zz xy xz yz"]
ReferenceSource = Literal["auto", "isolated-atoms", "least-squares", "zero"]
FileName = Annotated[str, Field(min_length=1), Description("a file name", "file names")]
Files = FileName | Annotated[list[FileName], Field(min_length=1)]
"""A path, a glob, or `path@slice` in ASE's syntax, relative to the folder of the configuration."""
TestFiles = Annotated[dict[str, Files], Field(min_length=1), Description("a mapping of names to files", "mappings")]
KeyName = Annotated[str, Description("the name of a key of the frames", "keys of the frames")]


def _key_alone(value: Any) -> Any:
    """Expand `energy: REF_energy` to `energy: {key: REF_energy}`."""
    return {"key": value} if isinstance(value, str) else value


class EnergyLabel(StrictConfig):
    """Total energy of a frame."""

    key: str = "energy"
    """Entry of the frame (calculator result or `atoms.info`) that holds the energy."""
    unit: EnergyUnit = "eV"
    """Unit of the energies in the files."""


class ForcesLabel(StrictConfig):
    """Forces on the atoms, minus the gradient of the energy."""

    key: str = "forces"
    """Entry of the frame (calculator result or `atoms.arrays`) that holds the forces."""
    unit: ForceUnit = "eV/A"
    """Unit of the forces in the files."""


class StressLabel(StrictConfig):
    """Stress of a periodic frame, as a 3x3 matrix, nine numbers or six."""

    key: str = "stress"
    """Entry of the frame (calculator result or `atoms.info`) that holds the stress."""
    unit: StressUnit = "eV/A^3"
    """Unit of the stresses in the files."""
    sign: SignConvention = "tension-positive"
    """`tension-positive` is ASE's (dE/dstrain / volume); VASP prints `compression-positive`."""
    order: SixOrder = "xx yy zz yz xz xy"
    """Order of the components if six are given.
    ASE's is `xx yy zz yz xz xy`, VASP prints `xx yy zz xy yz xz`."""


class VirialLabel(StrictConfig):
    """Virial of a periodic frame: the stress times the volume, in energy units."""

    key: str = "virial"
    """Entry of the frame (`atoms.info`) that holds the virial."""
    unit: EnergyUnit = "eV"
    """Unit of the virials in the files."""
    sign: SignConvention
    """`compression-positive` is -dE/dstrain (GAP, MACE); `tension-positive` is dE/dstrain. Must be given."""
    order: SixOrder = "xx yy zz yz xz xy"
    """Order of the components if six are given."""


class GroupWeights(StrictConfig):
    """Weights of a configuration group for each property."""

    energy: NonNegativeNumber = 1.0
    """Weight of the energies."""
    forces: NonNegativeNumber = 1.0
    """Weight of the forces."""
    stress: NonNegativeNumber = 1.0
    """Weight of the stresses."""


class WeightsConfig(StrictConfig):
    """Weights of frames and labels in the loss. All weights are multiplied with each other and with those of the `loss`
    section."""

    key: str | None = None
    """Entry of `atoms.info` with the weight of the whole frame, such as `config_weight`."""
    energy_key: str | None = None
    """Entry of `atoms.info` with the weight of the energy."""
    forces_key: str | None = None
    """Entry of `atoms.info` with the weight of the forces."""
    stress_key: str | None = None
    """Entry of `atoms.info` with the weight of the stress."""
    groups: dict[str, NonNegativeNumber | GroupWeights] = Field(default={})
    """Weight of all frames of a configuration group (see `group_key`) by name: one number, or one for each of `energy`,
    `forces` and `stress`. 0 excludes the labels from the loss."""

    def of_group(self, name: str) -> GroupWeights:
        """Return the weights of a group; 1 by default."""
        weights = self.groups.get(name, 1.0)
        if isinstance(weights, GroupWeights):
            return weights
        return GroupWeights(energy=weights, forces=weights, stress=weights)


class DataConfig(StrictConfig):
    """Structures, keys and units of their labels, and the training, validation and test split."""

    train: Files
    """Training files: anything ASE reads, a list, a glob, `file@:100` for a slice, or `builtin:ethanol`."""
    validation: Annotated[Files | PositiveInteger | Fraction, Field(union_mode="left_to_right")] = 0.1
    """Validation set: files, or the number (integer) or fraction of frames to take from the training files."""
    test: Annotated[Files | PositiveInteger | Fraction | TestFiles | None, Field(union_mode="left_to_right")] = None
    """Test set: files, a number, a fraction, or several named test sets, `{300K: a.xyz, 600K: b.xyz}`."""
    split_seed: NonNegativeInteger | None = None
    """Random seed of the split; by default that of the run."""
    train_size: PositiveInteger | None = None
    """Number of training frames to use, drawn at random with the seed of the run. A smaller selection is a subset of a
    larger one."""
    energy: Annotated[EnergyLabel | None, BeforeValidator(_key_alone, KeyName | EnergyLabel | None)] = EnergyLabel()
    forces: Annotated[ForcesLabel | None, BeforeValidator(_key_alone, KeyName | ForcesLabel | None)] = ForcesLabel()
    stress: Annotated[StressLabel | None, BeforeValidator(_key_alone, KeyName | StressLabel | None)] = None
    virial: Annotated[VirialLabel | None, BeforeValidator(_key_alone, VirialLabel | None)] = None
    length_unit: LengthUnit = "A"
    """Unit of positions and cells in the files."""
    group_key: str = "config_type"
    """Entry of `atoms.info` with the name of the configuration group of a frame, for error tables and weights."""
    weights: WeightsConfig = WeightsConfig()
    reference_energies: (
        Literal["auto", "isolated-atoms", "least-squares", "zero"] | dict[ElementSymbol, FiniteNumber]
    ) = "auto"
    """Energy of the isolated atom of each element (E0) in eV, by symbol, or the method to determine it. `auto` uses the
    isolated-atom frames if there is one for each element, and least squares otherwise."""
    isolated_atoms: Files | None = None
    """Files with isolated-atom frames for the reference energies, if these are not in the training files."""
    batch_size: PositiveInteger | None = 5
    """Frames per training batch and process; null if `max_atoms_per_batch` or `max_edges_per_batch` is given."""
    max_atoms_per_batch: PositiveInteger | None = None
    """Maximum number of atoms per training batch and process, instead of a number of frames; for structures of
    different sizes. Batches are filled up to this limit; a frame with more atoms is an error."""
    max_edges_per_batch: PositiveInteger | None = None
    """Maximum number of edges (ordered pairs of atoms within the cutoff) per training batch and process. Memory and
    time are proportional to edges; 20 atoms with 50 neighbors each have 1000."""
    evaluation_batch_size: PositiveInteger | None = None
    """Frames per batch in validation and test; by default four times the size of a training batch."""
    loading: Literal["auto", "memory", "lazy"] = "auto"
    """`memory` reads all frames at the start. `lazy` reads frames of `.aselmdb` and `.h5` files when they are needed,
    in the worker processes. `auto` selects `lazy` for more than 50,000 frames."""
    workers: NonNegativeInteger = 0
    """Number of worker processes that prepare batches; 0 uses the main process."""

    @model_validator(mode="before")
    @classmethod
    def _budget_instead_of_count(cls, values: Any) -> Any:
        """Remove the default number of frames if a limit in atoms or edges is given."""
        budgets = ("max_atoms_per_batch", "max_edges_per_batch")
        if isinstance(values, dict) and any(values.get(name) is not None for name in budgets):
            return {"batch_size": None, **values}
        return values

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        found = self._batch_problems()
        if self.stress is not None and self.virial is not None:
            found["data.virial"] = "data.stress is given too; keep one of them"
        fractions = [size for size in (self.validation, self.test) if isinstance(size, float)]
        if sum(fractions) >= 1:
            found["data.test"] = (
                f"the fractions of validation ({fractions[0]:g}) and test ({fractions[1]:g}) frames leave no training "
                "frames; their sum must be less than 1"
            )
        if found:
            raise KeyedError(found)
        return self

    def _batch_problems(self) -> dict[str, str]:
        """Exactly one key must define the batch size."""
        keys = ("batch_size", "max_atoms_per_batch", "max_edges_per_batch")
        given = [key for key in keys if getattr(self, key) is not None]
        if not given:
            return {"data.batch_size": f"the batch size is not defined; give a number here, or {keys[1]} or {keys[2]}"}
        return {
            f"data.{key}": f"data.{given[-1]} is given too; keep one of them and set the other to null"
            for key in given[:-1]
        }
