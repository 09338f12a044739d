"""Conversion of files of frames: frames are read one by one, written to a temporary folder, and moved when complete."""

from __future__ import annotations

import re
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import lmdb

from potentials.data.conversion.extxyz_writer import ExtxyzWriter
from potentials.data.conversion.hdf5_writer import Hdf5Writer
from potentials.data.conversion.lmdb_writer import LmdbWriter
from potentials.data.conversion.sqlite_writer import SqliteWriter
from potentials.data.conversion.writer import FrameWriter
from potentials.data.read import count_frames, iter_frames
from potentials.errors import DataError
from potentials.files import synchronize
from potentials.outputs import check_output

WRITERS: dict[str, type[FrameWriter]] = {
    ".extxyz": ExtxyzWriter,
    ".xyz": ExtxyzWriter,
    ".db": SqliteWriter,
    ".aselmdb": LmdbWriter,
    ".h5": Hdf5Writer,
    ".hdf5": Hdf5Writer,
}
_WRITING_ERRORS = (OSError, RuntimeError, lmdb.Error, sqlite3.Error)


@dataclass(frozen=True)
class Conversion:
    """The files written and their contents."""

    files: list[Path]
    frames: int
    atoms: int
    num_bytes: int


def convert(
    sources: Sequence[str],
    target: Path,
    *,
    shards: int = 1,
    overwrite: bool = False,
    report: Callable[[int], None] = lambda frames: None,
) -> Conversion:
    """Write the frames of `sources`, in order, to `target` in the format given by its suffix.

    Calculator results, info and arrays are preserved; keys, units and numbers are not changed. A file appears when it
    is complete and on disk.

    Args:
        sources: as for `read_frames`.
        target: the file to write.
        shards: number of files, NAME-00000.ext and so on; each contains successive frames, as equal in number as
            possible.
        overwrite: whether existing files may be replaced.
        report: called with the number of frames written so far.

    Returns:
        The files, and the numbers of frames, atoms and bytes.

    Raises:
        DataError: a frame cannot be read or represented in the format, or a file exists or cannot be written.
    """
    files = _targets(target, shards, overwrite)
    total = count_frames(list(sources)) if shards > 1 else 0
    if shards > 1 and total < shards:
        raise DataError(f"{total} frames are too few for {shards} shards; choose fewer shards")
    # The last file takes all remaining frames; their number is not known when there is one file only.
    lasts = [total * (number + 1) // shards - 1 for number in range(shards - 1)]
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
            aside = [Path(folder) / file.name for file in files]
            frames, atoms = _write(sources, aside, lasts, report)
            for written in aside:
                synchronize(written)
            for written, file in zip(aside, files, strict=True):
                written.replace(file)
            synchronize(target.parent)
    except _WRITING_ERRORS as error:
        raise DataError(f"{target} cannot be written: {error}") from error
    return Conversion(files, frames, atoms, sum(file.stat().st_size for file in files))


def _targets(target: Path, shards: int, overwrite: bool) -> list[Path]:
    """Return the files to write, after checking that they can be written."""
    if target.suffix not in WRITERS:
        raise DataError(f"{target}: expected a name that ends in {', '.join(WRITERS)}")
    if shards < 1:
        raise DataError(f"expected one or more shards, got {shards}")
    files = [target] if shards == 1 else [_shard(target, number) for number in range(shards)]
    for file in files:
        check_output(file)
    there = [file for file in files if file.exists()]
    if there and not overwrite:
        raise DataError(f"{there[0]} exists; choose another name, or use --overwrite")
    pattern = re.compile(rf"{re.escape(target.stem)}-\d{{5,}}{re.escape(target.suffix)}")
    strangers = sorted({file for file in target.parent.iterdir() if pattern.fullmatch(file.name)} - set(files))
    if shards > 1 and strangers:
        raise DataError(
            f"{strangers[0]} is a shard of another conversion and would be read together with these {shards} shards; "
            "remove it or choose another name"
        )
    return files


def _shard(target: Path, number: int) -> Path:
    return target.with_name(f"{target.stem}-{number:05d}{target.suffix}")


def _write(
    sources: Sequence[str], files: Sequence[Path], lasts: Sequence[int], report: Callable[[int], None]
) -> tuple[int, int]:
    """Write `files` one after the other; `lasts` are the numbers of the last frames of all but the last file."""
    writer_class = WRITERS[files[0].suffix]
    writer, shard = writer_class(files[0]), 0
    frames = atoms = 0
    complete = False
    try:
        for frame in iter_frames(list(sources)):
            if shard < len(lasts) and frames > lasts[shard]:
                writer.close()
                shard += 1
                writer = writer_class(files[shard])
            writer.add(frame)
            frames += 1
            atoms += len(frame.atoms)
            report(frames)
        writer.close()
        complete = True
    finally:
        if not complete:
            writer.discard()
    return frames, atoms
