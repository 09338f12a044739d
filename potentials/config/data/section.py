"""The `data` section: files, label keys with their units, splits, weights, reference energies, batches."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from potentials.config.base import (
    Fraction,
    KeyedError,
    NonNegativeInteger,
    PositiveInteger,
    StrictConfig,
)
from potentials.config.data.files import FileOfHead, Files, NamedFiles, files_of_head, head_names
from potentials.config.data.heads import INHERITED, HeadConfig
from potentials.config.data.labels import (
    EnergyLabel,
    EnergySetting,
    ForcesLabel,
    ForcesSetting,
    ReferenceEnergies,
    StressSetting,
    VirialSetting,
)
from potentials.config.data.weights import WeightsConfig
from potentials.config.messages.descriptions import Description, join_or, quote
from potentials.units import LengthUnit

TestFiles = Annotated[
    dict[str, NamedFiles], Field(min_length=1), Description("a mapping of names to files", "mappings")
]


class DataConfig(StrictConfig):
    """Structures, keys and units of their labels, and the training, validation and test split."""

    train: NamedFiles
    """Training files: anything ASE reads, a list, a glob, `file@:100` for a slice, or `builtin:ethanol`. With several
    levels of theory, a list of `{file: a.xyz, head: NAME}`."""
    validation: Annotated[NamedFiles | PositiveInteger | Fraction, Field(union_mode="left_to_right")] = 0.1
    """Validation set: files, or the number (integer) or fraction of frames to take from the training files (of each
    head)."""
    test: Annotated[NamedFiles | PositiveInteger | Fraction | TestFiles | None, Field(union_mode="left_to_right")] = (
        None
    )
    """Test set: files, a number, a fraction, or several named test sets, `{300K: a.xyz, 600K: b.xyz}`."""
    heads: dict[str, HeadConfig] = Field(default={})
    """Settings of the heads (levels of theory) that the training files name. Labels, units, reference energies,
    isolated atoms, `train_size`, groups and weights that are not given are those of this section."""
    split_seed: NonNegativeInteger | None = None
    """Random seed of the split; by default that of the run."""
    train_size: PositiveInteger | None = None
    """Number of training frames to use (of each head), drawn at random with the seed of the run. A smaller selection is
    a subset of a larger one."""
    energy: EnergySetting = EnergyLabel()
    forces: ForcesSetting = ForcesLabel()
    stress: StressSetting = None
    virial: VirialSetting = None
    length_unit: LengthUnit = "A"
    """Unit of positions and cells in the files."""
    group_key: str = "config_type"
    """Entry of `atoms.info` with the name of the configuration group of a frame, for error tables and weights."""
    weights: WeightsConfig = WeightsConfig()
    reference_energies: ReferenceEnergies = "auto"
    """Energy of the isolated atom of each element (E0) in eV, by symbol, or the method to determine it. `auto` uses the
    isolated-atom frames if there is one for each element, and least squares otherwise; `zero` sets all to 0. With
    `start_from`, also `from-model` (the default): those of the starting potential."""
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
    in the worker processes. `auto` selects `lazy` for more than 50,000 frames, if all training files are
    `.aselmdb` or `.h5`."""
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

    @model_validator(mode="before")
    @classmethod
    def _heads_inherit(cls, values: Any) -> Any:
        """Enter each head of the training files in `heads`, with the labels and reference energies of this section."""
        names = head_names(values.get("train")) if isinstance(values, dict) else []
        given = values.get("heads") or {} if names else {}
        if not names or not isinstance(given, dict):
            return values
        inherited = {name: values[name] for name in INHERITED if name in values}
        heads = {name: given.get(name, {}) for name in [*names, *(name for name in given if name not in names)]}
        complete = {
            name: _with_defaults(head, inherited) if isinstance(head, dict) else head for name, head in heads.items()
        }
        return {**values, "heads": complete}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        found = self._batch_problems() | self._head_problems()
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

    def sections(self) -> list[DataConfig]:
        """Return the section of each head; this section alone if there are no heads."""
        return [self.of_head(name) for name in self.heads] or [self]

    def of_head(self, name: str) -> DataConfig:
        """Return the section that describes the data of one head."""
        head = self.heads[name]
        test: Any = self.test
        if isinstance(test, dict):
            named = {key: files_of_head(files, name) for key, files in test.items()}
            test = {key: files for key, files in named.items() if files is not None} or None
        elif isinstance(test, list):
            test = files_of_head(test, name)
        validation = files_of_head(self.validation, name) if isinstance(self.validation, list) else self.validation
        changes = {key: getattr(head, key) for key in INHERITED}
        train = files_of_head(self.train, name)
        return self.model_copy(update={"train": train, "validation": validation, "test": test, "heads": {}, **changes})

    def _head_problems(self) -> dict[str, str]:
        """Files of all sets must name heads of the training files, or no heads at all."""
        names = head_names(self.train)
        sets: dict[str, object] = {"data.validation": self.validation}
        sets |= {f"data.test.{key}": files for key, files in self.test.items()} if isinstance(self.test, dict) else {}
        sets |= {} if isinstance(self.test, dict) else {"data.test": self.test}
        found = _mixed({"data.train": self.train, **sets})
        for key, files in sets.items():
            odd = [name for name in head_names(files) if name not in names]
            if key in found:
                continue
            if odd:
                found[key] = f"no training file has the head {quote(odd[0])}" + _known(names)
            elif names and not head_names(files) and isinstance(files, str | list):
                found[key] = f"expected a list of {{file, head}}, as in data.train, with {join_or(names)} as head"
        for name in self.heads:
            if name not in names:
                found[f"data.heads.{name}"] = f"no training file has the head {quote(name)}" + _known(names)
        missing = [name for name in names if name not in head_names(self.validation)]
        if missing and isinstance(self.validation, list) and "data.validation" not in found:
            found["data.validation"] = f"no file of the head {quote(missing[0])}; add one, or give a fraction"
        if len(names) == 1:
            found["data.train"] = f"only the head {quote(names[0])} is named; give at least two heads, or none"
        return found

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


def _with_defaults(head: dict[str, Any], inherited: dict[str, Any]) -> dict[str, Any]:
    """Complete a head; a stress that is given replaces an inherited virial, and the reverse."""
    for one, other in (("stress", "virial"), ("virial", "stress")):
        if head.get(one) is not None and other not in head:
            inherited = {**inherited, other: None}
    return {**inherited, **head}


def _known(names: list[str]) -> str:
    return f"; they have {join_or(names)}" if names else "; give data.train as a list of {file: FILE, head: NAME}"


def _mixed(sets: dict[str, object]) -> dict[str, str]:
    """Describe sets of which some files belong to a head and others do not."""
    found = {}
    for key, files in sets.items():
        plain = [entry for entry in files if not isinstance(entry, FileOfHead)] if isinstance(files, list) else []
        if plain and isinstance(files, list) and len(plain) < len(files):
            found[key] = f"expected {{file, head}} for all files or for none, but {quote(str(plain[0]))} has no head"
    return found
