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
from potentials.config.words import InWords
from potentials.units import EnergyUnit, ForceUnit, LengthUnit, StressUnit

SignConvention = Literal["tension-positive", "compression-positive"]
SixOrder = Literal["xx yy zz yz xz xy", "xx yy zz xy yz xz", "xx yy zz xy xz yz"]
ReferenceSource = Literal["auto", "isolated-atoms", "least-squares", "zero"]
FileName = Annotated[str, Field(min_length=1), InWords("a file name", "file names")]
Files = FileName | Annotated[list[FileName], Field(min_length=1)]
"""A path, a glob, `path@slice` in ASE's syntax, or `builtin:NAME`; or a list of these.
Relative to the configuration."""
TestFiles = Annotated[dict[str, Files], Field(min_length=1), InWords("a mapping of names to files", "mappings")]
KeyName = Annotated[str, InWords("the name of a key of the frames", "keys of the frames")]


def _key_alone(value: Any) -> Any:
    """`energy: REF_energy` is short for `energy: {key: REF_energy}`."""
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
    """Order of the six components where six are given.
    ASE's is `xx yy zz yz xz xy`, VASP prints `xx yy zz xy yz xz`."""


class VirialLabel(StrictConfig):
    """Virial of a periodic frame: the stress times the volume, in energy units."""

    key: str = "virial"
    """Entry of the frame (`atoms.info`) that holds the virial."""
    unit: EnergyUnit = "eV"
    """Unit of the virials in the files."""
    sign: SignConvention
    """`compression-positive` is -dE/dstrain, as GAP and MACE write it; `tension-positive` is dE/dstrain. No default."""
    order: SixOrder = "xx yy zz yz xz xy"
    """Order of the six components where six are given."""


class GroupWeights(StrictConfig):
    """Weights of a group, property by property."""

    energy: NonNegativeNumber = 1.0
    """Of the energies of the group's frames."""
    forces: NonNegativeNumber = 1.0
    """Of their forces."""
    stress: NonNegativeNumber = 1.0
    """Of their stresses."""


class WeightsConfig(StrictConfig):
    """Weights in the loss, on top of those of the `loss` section. All of them multiply."""

    key: str | None = None
    """Entry of `atoms.info` that weighs the whole frame, such as `config_weight`."""
    energy_key: str | None = None
    """Entry of `atoms.info` that weighs the frame's energy only."""
    forces_key: str | None = None
    """Entry of `atoms.info` that weighs the frame's forces only."""
    stress_key: str | None = None
    """Entry of `atoms.info` that weighs the frame's stress only."""
    groups: dict[str, NonNegativeNumber | GroupWeights] = Field(default={})
    """Weight of all frames of a group (see `group_key`), by its name: a number, or one for each of `energy`, `forces`
    and `stress`; 0 leaves the labels out of the loss."""

    def of_group(self, name: str) -> GroupWeights:
        """The weights of a group, 1 where nothing is said."""
        weights = self.groups.get(name, 1.0)
        if isinstance(weights, GroupWeights):
            return weights
        return GroupWeights(energy=weights, forces=weights, stress=weights)


class DataConfig(StrictConfig):
    """Which structures to learn from, what their labels are called, and how they are divided."""

    train: Files
    """Files to train on: anything ASE reads, a list, a glob, `file@:100` for a slice, or `builtin:ethanol`."""
    validation: Annotated[Files | PositiveInteger | Fraction, Field(union_mode="left_to_right")] = 0.1
    """Files, or how many frames (a whole number) or which fraction of the training files to set aside."""
    test: Annotated[Files | PositiveInteger | Fraction | TestFiles | None, Field(union_mode="left_to_right")] = None
    """Files, a number, a fraction, or several named test sets, `{300K: a.xyz, 600K: b.xyz}`."""
    split_seed: NonNegativeInteger | None = None
    """Seed of the split; the run's seed when absent."""
    train_size: PositiveInteger | None = None
    """Train on so many of the frames that are left for it, drawn with the run's seed: fewer are among more."""
    energy: Annotated[EnergyLabel | None, BeforeValidator(_key_alone, KeyName | EnergyLabel | None)] = EnergyLabel()
    forces: Annotated[ForcesLabel | None, BeforeValidator(_key_alone, KeyName | ForcesLabel | None)] = ForcesLabel()
    stress: Annotated[StressLabel | None, BeforeValidator(_key_alone, KeyName | StressLabel | None)] = None
    virial: Annotated[VirialLabel | None, BeforeValidator(_key_alone, VirialLabel | None)] = None
    length_unit: LengthUnit = "A"
    """Unit of positions and cells in the files."""
    group_key: str = "config_type"
    """Entry of `atoms.info` that names the group of a frame, for error tables and weights."""
    weights: WeightsConfig = WeightsConfig()
    reference_energies: (
        Literal["auto", "isolated-atoms", "least-squares", "zero"] | dict[ElementSymbol, FiniteNumber]
    ) = "auto"
    """Energy of each isolated atom in eV: given by symbol, or where to take it from. `auto` takes isolated-atom
    frames where every element has one, and least squares otherwise."""
    isolated_atoms: Files | None = None
    """Files with single-atom frames for the reference energies, when they are not among the training files."""
    batch_size: PositiveInteger | None = 5
    """Frames per training batch in each process; null where `max_atoms_per_batch` or `max_edges_per_batch` says
    how large batches are."""
    max_atoms_per_batch: PositiveInteger | None = None
    """Atoms per training batch in each process, at most, instead of a number of frames: for structures of different
    sizes. Batches are packed until they are nearly full; a frame with more atoms is an error."""
    max_edges_per_batch: PositiveInteger | None = None
    """The same for edges, ordered pairs of atoms within the cutoff, which memory and time go by. Of 20 atoms with 50
    neighbors each there are 1000."""
    evaluation_batch_size: PositiveInteger | None = None
    """Frames per batch in validation and test; when absent, four times what a training batch may hold."""
    loading: Literal["auto", "memory", "lazy"] = "auto"
    """`memory` reads all frames at the start. `lazy` leaves those of `.aselmdb` and `.h5` files there, and reads them
    when they are needed, in the worker processes; `auto` does so from 50 000 frames on."""
    workers: NonNegativeInteger = 0
    """Worker processes that collate batches; 0 does it in the main process."""

    @model_validator(mode="before")
    @classmethod
    def _budget_instead_of_count(cls, values: Any) -> Any:
        """With a budget, the number of frames has no default."""
        budgets = ("max_atoms_per_batch", "max_edges_per_batch")
        if isinstance(values, dict) and any(values.get(name) is not None for name in budgets):
            return {"batch_size": None, **values}
        return values

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        found = self._batch_problems()
        if self.stress is not None and self.virial is not None:
            found["data.virial"] = "data.stress is given too; keep the one that is to be read"
        parts = [part for part in (self.validation, self.test) if isinstance(part, float)]
        if sum(parts) >= 1:
            found["data.test"] = f"with validation {parts[0]} and test {parts[1]} nothing is left to train on"
        if found:
            raise KeyedError(found)
        return self

    def _batch_problems(self) -> dict[str, str]:
        """Something must say how large batches are, and one thing only."""
        keys = ("batch_size", "max_atoms_per_batch", "max_edges_per_batch")
        given = [key for key in keys if getattr(self, key) is not None]
        if not given:
            return {"data.batch_size": f"nothing says how large batches are; give a number, {keys[1]} or {keys[2]}"}
        return {
            f"data.{key}": f"data.{given[-1]} is given too; keep one of them and say null for the other"
            for key in given[:-1]
        }
