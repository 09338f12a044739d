"""The frames of a run, read and divided: training, validation and test frames, and isolated atoms."""

from __future__ import annotations

from dataclasses import dataclass

from potentials.config.data import DataConfig, Files
from potentials.config.run import RunConfig
from potentials.data.findings import Findings
from potentials.data.index import Say
from potentials.data.label import (
    LabelledFrame,
    is_isolated_atom,
    isolated_atoms_use,
    label_frames,
    separate_isolated_atoms,
)
from potentials.data.read import frame_list, read_frames
from potentials.data.split.drawing import draw_split, draw_subset
from potentials.data.split.lazy_reading import all_stores, loads_lazily, read_lazily
from potentials.data.split.part_facts import Frames, take
from potentials.errors import DataError

UNNAMED_TEST = "test"


@dataclass
class Parts:
    """Labelled frames, divided as a run divides them; those of a part are in memory or stay in their files."""

    train: Frames
    validation: Frames
    tests: dict[str, Frames]
    isolated_atoms: list[LabelledFrame]


def divide(config: RunConfig, findings: Findings, say: Say = lambda text: None) -> Parts:
    """Read all files of a run and divide them into parts; isolated atoms and frames without labels are taken out.

    Args:
        config: of the run.
        findings: receives what was left out, and why.
        say: told how far it is, where files are looked through that stay where they are.

    Raises:
        DataError: a file or label cannot be read, or a part is empty.
    """
    read = _Reader(config.data, findings, say)
    parts = _divide(read, split_seed(config))
    _choose(parts, config, findings)
    return parts


def split_seed(config: RunConfig) -> int:
    """The seed that validation and test frames are drawn with."""
    return config.seed if config.data.split_seed is None else config.data.split_seed


def _divide(read: _Reader, seed: int) -> Parts:
    data, findings = read.data, read.findings
    train, isolated = read.part("training", data.train)
    if data.isolated_atoms is not None:
        isolated = [*isolated, *_read_isolated_atoms(data.isolated_atoms, data, findings)]
    validation_wish = data.validation if isinstance(data.validation, int | float) else None
    test_wish = data.test if isinstance(data.test, int | float) else None
    chosen, validation_chosen, test_chosen = draw_split(len(train), seed, validation_wish, test_wish)
    tests: dict[str, Frames] = {}
    if isinstance(data.validation, int | float):
        validation = take(train, validation_chosen)
        findings.note(f"validation = {len(validation)} of {len(train)} frames, drawn with seed {seed}")
    else:
        validation, _ = read.part("validation", data.validation)
    if isinstance(data.test, int | float):
        tests[UNNAMED_TEST] = take(train, test_chosen)
        findings.note(f"test = {len(test_chosen)} of {len(train)} frames, drawn with seed {seed}")
    elif data.test is not None:
        named = data.test if isinstance(data.test, dict) else {UNNAMED_TEST: data.test}
        for name, files in named.items():
            part = UNNAMED_TEST if name == UNNAMED_TEST else f'test "{name}"'
            tests[name], _ = read.part(part, files, required=False)
    return Parts(take(train, chosen), validation, tests, isolated)


def _choose(parts: Parts, config: RunConfig, findings: Findings) -> None:
    """Keep `data.train_size` of the training frames, where that is given."""
    size = config.data.train_size
    if size is None:
        return
    chosen = draw_subset(len(parts.train), config.seed, size)
    findings.note(f"training on {size} of {len(parts.train)} frames, drawn with seed {config.seed}")
    parts.train = take(parts.train, chosen)


class _Reader:
    """Reads parts, all of a run in the same way."""

    def __init__(self, data: DataConfig, findings: Findings, say: Say) -> None:
        self.data, self.findings, self.say = data, findings, say
        self.lazily = loads_lazily(data, findings)

    def part(self, part: str, files: Files, required: bool = True) -> tuple[Frames, list[LabelledFrame]]:
        """The usable frames of a part, and the isolated atoms among its files."""
        if self.lazily and all_stores(files):
            return read_lazily(part, files, self.data, self.findings, self.say, required)
        return _read_part(part, files, self.data, self.findings, required)


def _read_part(
    part: str, files: Files, data: DataConfig, findings: Findings, required: bool = True
) -> tuple[list[LabelledFrame], list[LabelledFrame]]:
    """The usable frames of a part, and the isolated atoms among its files."""
    of_part = Findings()
    try:
        labelled = label_frames(read_frames(files), data, required=required, findings=of_part)
    except DataError as error:
        raise DataError(f"{part} data: {error}") from error
    findings.notes += [f"{part} data: {note}" for note in of_part.notes]
    findings.warnings += [f"{part} data: {warning}" for warning in of_part.warnings]
    frames, isolated = separate_isolated_atoms(labelled)
    if isolated:
        where = frame_list([atom.frame for atom in isolated])
        findings.note(f"{part} data: isolated atoms in {where}; {isolated_atoms_use(part)}")
    empty = [frame.frame for frame in frames if not frame.has_label]
    if empty:
        findings.warn(f"{part} data: {frame_list(empty)} without any label are left out")
    frames = [frame for frame in frames if frame.has_label]
    if not frames:
        raise DataError(f"the {part} data are empty: no labelled frame is left that is not an isolated atom")
    return frames, isolated


def _read_isolated_atoms(files: Files, data: DataConfig, findings: Findings) -> list[LabelledFrame]:
    energies_only = data.model_copy(update={"forces": None, "stress": None, "virial": None})
    try:
        frames = label_frames(read_frames(files), energies_only, findings=findings)
    except DataError as error:
        raise DataError(f"data.isolated_atoms: {error}") from error
    others = [frame.frame for frame in frames if not is_isolated_atom(frame)]
    if others:
        raise DataError(f"data.isolated_atoms: {frame_list(others)}: expected single atoms that are not periodic")
    return frames


def named_parts(parts: Parts) -> list[tuple[str, Frames]]:
    """The parts as messages call them, the training frames first."""
    tests = [(name if name == UNNAMED_TEST else f'test "{name}"', frames) for name, frames in parts.tests.items()]
    return [("training", parts.train), ("validation", parts.validation), *tests]
