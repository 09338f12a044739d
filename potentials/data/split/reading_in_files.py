"""Which splits stay in their files, and what of their files belongs to them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from potentials.config.data import DataConfig
from potentials.config.data.files import Files, plain_files
from potentials.data.findings import Findings
from potentials.data.index import ProgressCallback, cached_index
from potentials.data.label import (
    LabeledFrame,
    digest_keys,
    find_values,
    isolated_atoms_use,
    label_frames,
    note_partly_missing,
    read_stresses,
)
from potentials.data.read import expand_files, frame_list
from potentials.data.read.frames import no_frame, selected
from potentials.data.split.in_files import IndexedFile, SplitInFiles
from potentials.data.stores import STORE_SUFFIXES, is_store, open_store
from potentials.errors import DataError

FEW_FRAMES = 50_000
"""That `auto` reads into memory."""
_CHECKED = 1000
"""Frames whose labels are read to find what is wrong with all."""


def loads_lazily(data: DataConfig, findings: Findings) -> bool:
    """Whether the training frames, and those of every other split in stores, stay in their files.

    Raises:
        DataError: that is asked for, but a training file is no store.
    """
    others = [] if not all_stores(plain_files(data.train)) else _store_files(data)
    if data.loading == "lazy" and not others:
        raise DataError(
            f"data.loading: lazy requires training files in {', '.join(STORE_SUFFIXES[:-1])} or {STORE_SUFFIXES[-1]}, "
            "without database queries; convert your files with `potentials data convert`"
        )
    if data.loading == "memory" or not others:
        return False
    total = sum(len(open_store(path)) for path in others)
    if data.loading == "auto" and total <= FEW_FRAMES:
        return False
    why = "as configured" if data.loading == "lazy" else f"more than {FEW_FRAMES} frames in files that support it"
    findings.note(f"data.loading = lazy: {total} frames are read from their files when needed ({why})")
    return True


def all_stores(files: Files) -> bool:
    """Whether all files are stores, and chosen from by numbers and slices at most; a missing file is none."""
    try:
        entries = [entry for name in _listed(files) for entry in expand_files(name)]
    except DataError:  # reading it will say what is wrong
        return False
    return all(is_store(path) and isinstance(selected(name, path, choice), slice) for name, path, choice in entries)


def read_lazily(
    name: str,
    files: Files,
    data: DataConfig,
    findings: Findings,
    report_progress: ProgressCallback,
    required: bool = True,
) -> tuple[SplitInFiles, list[LabeledFrame]]:
    """The usable frames of a split, left in their files, and the isolated atoms among them.

    Raises:
        DataError: a file cannot be read, a key that is `required` is in no frame, or no frame is left.
    """
    try:
        frames = _all_frames(files, data, findings, report_progress)
        _check_labels(name, frames, data, findings, required)
        isolated = [*frames.where(frames.isolated)]
    except DataError as error:
        raise error.within(f"{name} data") from error
    if isolated:
        where = frame_list([atom.frame for atom in isolated])
        findings.note(f"{name} data: isolated atoms in {where}; {isolated_atoms_use(name)}")
    labeled = _labeled(frames, data)
    empty = frames.where(~labeled & ~frames.isolated)
    if len(empty):
        findings.warn(f"{name} data: ignored frames without labels: {_listing(empty)}")
    frames = frames.where(labeled & ~frames.isolated)
    if not len(frames):
        raise DataError(f"the {name} data are empty: they contain no labeled frames other than isolated atoms")
    return frames, isolated


def _listed(files: Files) -> list[str]:
    return [files] if isinstance(files, str) else list(files)


def _store_files(data: DataConfig) -> set[str]:
    """The stores among the files of all splits."""
    tests = data.test.values() if isinstance(data.test, dict) else [data.test]
    sets = [data.train, data.validation, *tests]
    named = [plain_files(files) for files in sets if isinstance(files, str | list)]
    names = [name for files in named if all_stores(files) for name in _listed(files)]
    return {path for name in names for _, path, _ in expand_files(name)}


def _all_frames(files: Files, data: DataConfig, findings: Findings, report_progress: ProgressCallback) -> SplitInFiles:
    indexed: dict[str, int] = {}
    sources: list[IndexedFile] = []
    of_file: list[NDArray[np.int32]] = []
    numbers: list[NDArray[np.int64]] = []
    for entry in _listed(files):
        for name, path, choice in expand_files(entry):
            index = selected(name, path, choice)
            if isinstance(index, str):
                raise DataError(
                    f"{entry}: lazily loaded files support only frame numbers and slices; set data.loading: memory to "
                    "use a query"
                )
            if path not in indexed:
                store = open_store(path)
                indexed[path] = len(sources)
                sources.append(
                    IndexedFile(
                        name, store, cached_index(store, data.group_key, digest_keys(data), findings, report_progress)
                    )
                )
            file = indexed[path]
            chosen = np.arange(len(sources[file].store))[index]
            if not len(chosen):
                raise no_frame(name, choice, len(sources[file].store))
            before = [old for old, known in zip(numbers, of_file, strict=True) if known[0] == file]
            again = np.intersect1d(chosen, np.concatenate(before)) if before else chosen[:0]
            if len(again):
                raise DataError(
                    f'{name}, frame {again[0]} is listed twice (the second time by "{entry}"); list each frame once'
                )
            of_file.append(np.full(len(chosen), file, dtype=np.int32))
            numbers.append(chosen)
    return SplitInFiles(sources, np.concatenate(of_file), np.concatenate(numbers), data)


def _labeled(frames: SplitInFiles, data: DataConfig) -> NDArray[np.bool_]:
    """Which frames have any label."""
    found = np.zeros(len(frames), dtype=bool)
    for label in (data.energy, data.forces):
        if label is not None:
            found |= frames.has_key(label.key)
    stress = data.virial if data.stress is None else data.stress
    if stress is not None:
        found |= frames.has_key(stress.key) & frames.periodic
    return found


def _check_labels(split: str, frames: SplitInFiles, data: DataConfig, findings: Findings, required: bool) -> None:
    """Say which labels are missing, and warn of what is wrong with those of some frames.

    Raises:
        DataError: a key that is required is in no frame, or a label of one of some frames cannot be used.
    """
    some = [frames.raw(int(index)) for index in np.linspace(0, len(frames) - 1, min(_CHECKED, len(frames)))]
    stress = data.virial if data.stress is None else data.stress
    keys = {
        name: label.key
        for name, label in (("energy", data.energy), ("forces", data.forces), ("stress", stress))
        if label is not None
    }
    if required:
        needed = {f"data.{'virial' if name == 'stress' and data.virial else name}": key for name, key in keys.items()}
        needed |= {f"data.weights.{name}": key for name, key in data.weights if name.endswith("key") and key}
        if data.group_key != DataConfig.model_fields["group_key"].default:
            needed["data.group_key"] = data.group_key
        for config_key, key in needed.items():
            if not frames.has_key(key).any():
                find_values(some, key, config_key, required=True)
        if stress is not None and not frames.periodic.any():
            read_stresses(some, stress, True, findings)
    of_some = Findings()
    labeled = label_frames(some, data, required=False, findings=of_some)
    partly = Findings()
    note_partly_missing(some, [frame.forces for frame in labeled], [frame.stress for frame in labeled], partly)
    checked = f"{split} data ({len(some)} of {len(frames)} frames checked)"
    findings.notes += [f"{checked}: {text}" for text in partly.notes]
    findings.warnings += [f"{checked}: {text}" for text in of_some.warnings]
    for name, key in keys.items():
        has = frames.has_key(key) & (frames.periodic if name == "stress" else True)
        if not has.all():
            without = frames.where(~has)
            findings.note(f"{split} data: no {name} in {len(without)} of {len(frames)} frames: {_listing(without)}")


def _listing(frames: SplitInFiles) -> str:
    return frame_list(frames.locations(), count=len(frames))
