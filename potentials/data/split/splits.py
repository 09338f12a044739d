"""The splits of a run, read, labeled and drawn: training, validation and test frames, and isolated atoms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from potentials.config.data import DataConfig
from potentials.config.data.files import Files, plain_files
from potentials.config.run import RunConfig
from potentials.data.findings import Findings
from potentials.data.index import ProgressCallback
from potentials.data.label import (
    LabeledFrame,
    atoms_digest,
    digest_keys,
    is_isolated_atom,
    isolated_atoms_use,
    label_frames,
)
from potentials.data.read import frame_list, read_frames
from potentials.data.split.drawing import draw_split, draw_subset
from potentials.data.split.in_memory import SplitInMemory
from potentials.data.split.of_heads import HeadFrames, SplitOfHeads
from potentials.data.split.reading_in_files import all_stores, loads_lazily, read_lazily
from potentials.data.split.split import Split
from potentials.errors import DataError

UNNAMED_TEST = "test"


@dataclass
class Splits:
    """The splits of a run, and the isolated atoms among its files."""

    train: Split
    validation: Split
    tests: dict[str, Split]
    """Named test sets; `test` when unnamed."""
    isolated_atoms: list[LabeledFrame]
    seed: int
    """That validation and test frames were drawn with."""
    heads: dict[str, Splits] = field(default_factory=dict)
    """The splits of each head (level of theory); empty if there is only one."""

    def group_names(self) -> list[str]:
        """The groups of all splits, in alphabetical order."""
        return sorted(set().union(*(split.group_names() for _, split in named_splits(self))))

    def samples(self, seed: int) -> dict[str, Sequence[LabeledFrame]]:
        """`Split.sample` of each split, under the names of `named_splits`; frames that stay in files are read now."""
        return {name: split.sample(seed) for name, split in named_splits(self)}

    def record(self) -> dict[str, Any]:
        """The seed, and file names and frame numbers of each split, to be written as JSON."""
        of_heads = {name: splits.record() for name, splits in self.heads.items()}
        return {
            **({"heads": of_heads} if of_heads else {}),
            "seed": self.seed,
            "train": self.train.numbers_by_file(),
            "validation": self.validation.numbers_by_file(),
            "tests": {name: split.numbers_by_file() for name, split in self.tests.items()},
            "isolated_atoms": SplitInMemory(self.isolated_atoms).numbers_by_file(),
        }


def read_splits(config: RunConfig, findings: Findings, report_progress: ProgressCallback = lambda text: None) -> Splits:
    """Read all files of a run and draw its splits; isolated atoms and frames without labels are left out.

    Args:
        config: of the run.
        findings: receives what was left out, and why.
        report_progress: callback for progress messages.

    Raises:
        DataError: a file or label cannot be read, or a split is empty.
    """
    if config.data.heads:
        return _read_heads(config, findings, report_progress)
    read = _Reader(config.data, findings, report_progress)
    splits = _divide(read, split_seed(config))
    _choose(splits, config, findings)
    return splits


def _read_heads(config: RunConfig, findings: Findings, report_progress: ProgressCallback) -> Splits:
    """Read and draw the splits of each head, and join them."""
    heads: dict[str, Splits] = {}
    for name in config.data.heads:
        of_head = Findings()
        try:
            heads[name] = read_splits(config_of_head(config, name), of_head, report_progress)
        except DataError as error:
            raise error.within(f"head {name}") from error
        findings.add(of_head, f"head {name}")
    weights = {name: head.weight for name, head in config.data.heads.items()}

    def joined(split_of: Callable[[Splits], Split | None]) -> Split:
        found = [(number, name, split_of(splits)) for number, (name, splits) in enumerate(heads.items())]
        parts = [HeadFrames(number, name, weights[name], split) for number, name, split in found if split is not None]
        return SplitOfHeads.joined(parts)

    tests = dict.fromkeys(name for splits in heads.values() for name in splits.tests)
    return Splits(
        train=joined(lambda splits: splits.train),
        validation=joined(lambda splits: splits.validation),
        tests={name: joined(lambda splits, name=name: splits.tests.get(name)) for name in tests},  # type: ignore[misc]
        isolated_atoms=[frame for splits in heads.values() for frame in splits.isolated_atoms],
        seed=split_seed(config),
        heads=heads,
    )


def config_of_head(config: RunConfig, name: str) -> RunConfig:
    """The configuration of a run with the data of one head; scale and shift are those of the head if it has its own."""
    head = config.data.heads[name]
    own = {key: value for key, value in (("scale", head.scale), ("shift", head.shift)) if value != "auto"}
    data, model = config.data.of_head(name), config.model.model_copy(update=own)
    return config.model_copy(update={"data": data, "model": model})


def split_seed(config: RunConfig) -> int:
    """The seed that validation and test frames are drawn with."""
    return config.seed if config.data.split_seed is None else config.data.split_seed


def _divide(read: _Reader, seed: int) -> Splits:
    data, findings = read.data, read.findings
    train, isolated = read.split("training", plain_files(data.train))
    if data.isolated_atoms is not None:
        isolated = [*isolated, *_read_isolated_atoms(data.isolated_atoms, data, findings)]
    validation_wish = data.validation if isinstance(data.validation, int | float) else None
    test_wish = data.test if isinstance(data.test, int | float) else None
    chosen, validation_chosen, test_chosen = draw_split(len(train), seed, validation_wish, test_wish)
    tests: dict[str, Split] = {}
    if isinstance(data.validation, int | float):
        validation = train.take(validation_chosen)
        findings.note(f"validation = {len(validation)} of {len(train)} frames, drawn with seed {seed}")
    else:
        validation, _ = read.split("validation", plain_files(data.validation))
    if isinstance(data.test, int | float):
        tests[UNNAMED_TEST] = train.take(test_chosen)
        findings.note(f"test = {len(test_chosen)} of {len(train)} frames, drawn with seed {seed}")
    elif data.test is not None:
        named = data.test if isinstance(data.test, dict) else {UNNAMED_TEST: data.test}
        for name, files in named.items():
            called = UNNAMED_TEST if name == UNNAMED_TEST else f'test "{name}"'
            tests[name], _ = read.split(called, plain_files(files), required=False)
    return Splits(train.take(chosen), validation, tests, isolated, seed)


def _choose(splits: Splits, config: RunConfig, findings: Findings) -> None:
    """Keep `data.train_size` of the training frames, where that is given."""
    size = config.data.train_size
    if size is None:
        return
    chosen = draw_subset(len(splits.train), config.seed, size)
    findings.note(f"training on {size} of {len(splits.train)} frames, drawn with seed {config.seed}")
    splits.train = splits.train.take(chosen)


class _Reader:
    """Reads the files of splits, all of a run in the same way."""

    def __init__(self, data: DataConfig, findings: Findings, report_progress: ProgressCallback) -> None:
        self.data, self.findings, self.report_progress = data, findings, report_progress
        self.lazily = loads_lazily(data, findings)

    def split(self, name: str, files: Files, required: bool = True) -> tuple[Split, list[LabeledFrame]]:
        """The usable frames of a split, and the isolated atoms among its files."""
        if self.lazily and all_stores(files):
            return read_lazily(name, files, self.data, self.findings, self.report_progress, required)
        return _read_into_memory(name, files, self.data, self.findings, required)


def _read_into_memory(
    name: str, files: Files, data: DataConfig, findings: Findings, required: bool = True
) -> tuple[Split, list[LabeledFrame]]:
    """The usable frames of a split, and the isolated atoms among its files."""
    found = Findings()
    try:
        read = read_frames(files)
        labeled = label_frames(read, data, required=required, findings=found)
    except DataError as error:
        raise error.within(f"{name} data") from error
    findings.notes += [f"{name} data: {note}" for note in found.notes]
    findings.warnings += [f"{name} data: {warning}" for warning in found.warnings]
    isolated = [frame for frame in labeled if is_isolated_atom(frame)]
    if isolated:
        where = frame_list([atom.frame for atom in isolated])
        findings.note(f"{name} data: isolated atoms in {where}; {isolated_atoms_use(name)}")
    empty = [frame.frame for frame in labeled if not frame.has_label and not is_isolated_atom(frame)]
    if empty:
        findings.warn(f"{name} data: ignored frames without labels: {frame_list(empty)}")
    usable = [number for number, frame in enumerate(labeled) if frame.has_label and not is_isolated_atom(frame)]
    if not usable:
        raise DataError(f"the {name} data are empty: they contain no labeled frames other than isolated atoms")
    keys = digest_keys(data)
    digests = np.array([atoms_digest(frame.atoms, keys) for frame in read])
    return SplitInMemory(labeled, digests, data).take(usable), isolated


def _read_isolated_atoms(files: Files, data: DataConfig, findings: Findings) -> list[LabeledFrame]:
    energies_only = data.model_copy(update={"forces": None, "stress": None, "virial": None})
    try:
        frames = label_frames(read_frames(files), energies_only, findings=findings)
    except DataError as error:
        raise error.within("data.isolated_atoms") from error
    others = [frame.frame for frame in frames if not is_isolated_atom(frame)]
    if others:
        raise DataError(f"data.isolated_atoms: {frame_list(others)}: expected single atoms that are not periodic")
    return frames


def named_splits(splits: Splits) -> list[tuple[str, Split]]:
    """The splits as messages call them, the training frames first."""
    tests = [(name if name == UNNAMED_TEST else f'test "{name}"', frames) for name, frames in splits.tests.items()]
    return [("training", splits.train), ("validation", splits.validation), *tests]
