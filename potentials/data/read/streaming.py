"""Frames read one by one, with memory that does not grow with their number."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import islice

import ase.io
from ase import Atoms
from ase.io.formats import filetype, get_ioformat

from potentials.config.data.files import Files
from potentials.data.read.ase_errors import each_read, open_lines, reading_errors
from potentials.data.read.extxyz_layout import check_extxyz
from potentials.data.read.frames import (
    Frame,
    check_frame,
    connect_database,
    counts_from_start,
    expand_files,
    file_source,
    no_frame,
    read_file,
    row_atoms,
    selected,
)
from potentials.data.stores import is_store, open_store
from potentials.errors import DataError

_FRAMES_AT_ONCE = 200
"""Number of frames that ASE parses in one text, and of rows fetched from a database at once."""


def iter_frames(files: Files) -> Iterator[Frame]:
    """Yield the frames that `read_frames` returns, read on demand.

    Files with negative slices (`a.xyz@-100:`) and database queries are read as a whole.

    Raises:
        DataError: as in `read_frames`, when the frame or file is reached.
    """
    entries = [part for entry in ([files] if isinstance(files, str) else files) for part in expand_files(entry)]
    often = {path for path, count in Counter(path for _, path, _ in entries).items() if count > 1}
    seen: set[tuple[str, int]] = set()
    for name, path, selection in entries:
        empty = True
        for frame in _iter_file(name, path, selection):
            empty = False
            if path in often:
                if (path, frame.index) in seen:
                    raise DataError(f"{frame} is listed twice; list each frame once")
                seen.add((path, frame.index))
            yield frame
        if empty:
            raise no_frame(name, selection, count_frames(name))


def count_frames(files: Files) -> int:
    """Count the frames that `iter_frames` yields; text files are counted without parsing."""
    entries = [part for entry in ([files] if isinstance(files, str) else files) for part in expand_files(entry)]
    return sum(_count(*entry) for entry in entries)


def _count(name: str, path: str, selection: str | None) -> int:
    index = selected(name, path, selection)
    if isinstance(index, slice):
        if is_store(path):
            return len(range(len(open_store(path)))[index])
        if _format(name, path) == "extxyz":
            with open_lines(name, path) as lines:
                return len(range(sum(count for count, _ in _pieces(lines)))[index])
    return sum(1 for _ in _iter_file(name, path, selection))


def _iter_file(name: str, path: str, selection: str | None) -> Iterator[Frame]:
    index = selected(name, path, selection)
    if isinstance(index, str) or not (counts_from_start(index) or is_store(path)):
        yield from read_file(name, path, selection)
        return
    if is_store(path):
        store = open_store(path)
        images: Iterator[Atoms] = map(store.read, range(len(store))[index])
        numbers: Iterator[int] = iter(range(len(store))[index])
    else:
        images = islice(_images(name, path, index.stop), index.start, index.stop, index.step)
        step = index.step or 1
        numbers = iter(range(index.start or 0, (index.start or 0) + step * 2**62, step))
    for atoms in images:
        frame = Frame(atoms, name, next(numbers))
        check_frame(frame)
        yield frame


def _format(name: str, path: str) -> str:
    with reading_errors(name):
        return get_ioformat(filetype(path)).name


def _images(name: str, path: str, stop: int | None) -> Iterator[Atoms]:
    """Yield the structures of a file, a few in memory at a time; those up to `stop` are needed."""
    file_format = _format(name, path)
    if file_format == "extxyz":
        check_extxyz(name, path, stop)
        with open_lines(name, path) as lines:
            for _, text in _pieces(lines):
                with reading_errors(name):
                    images = ase.io.read(io.StringIO(text), index=":", format="extxyz")
                yield from images
    elif file_format == "db":
        yield from _rows(name, path)
    elif get_ioformat(file_format).single:
        with reading_errors(name):
            atoms = ase.io.read(path, format=file_format, do_not_split_by_at_sign=True)
        yield atoms
    elif file_format == "json":
        yield from (frame.atoms for frame in read_file(name, path, None))
    else:
        with reading_errors(name):
            source = file_source(path, get_ioformat(file_format))
        yield from each_read(name, ase.io.iread(source, index=":", format=file_format, do_not_split_by_at_sign=True))


def _rows(name: str, path: str) -> Iterator[Atoms]:
    """Yield rows in the order of their numbers, in groups: ASE would fetch all at once."""
    with ExitStack() as stack:
        with reading_errors(name):
            database = stack.enter_context(connect_database(path))
        last = 0
        while True:
            with reading_errors(name):
                rows = list(database.select([("id", ">", last)], limit=_FRAMES_AT_ONCE))
            if not rows:
                return
            yield from (row_atoms(name, row) for row in rows)
            last = rows[-1].id


def _pieces(lines: Iterator[str]) -> Iterator[tuple[int, str]]:
    """Yield extended XYZ in texts of several complete frames, with their number; ASE reports malformed frames."""
    piece: list[str] = []
    count = 0
    line = next(lines, "")
    while line.strip():
        piece.append(line)
        with suppress(ValueError):
            piece += islice(lines, int(line) + 1)
        line = next(lines, "")
        while line.lstrip().startswith("VEC"):
            piece.append(line)
            line = next(lines, "")
        count += 1
        if count == _FRAMES_AT_ONCE:
            yield count, "".join(piece)
            piece, count = [], 0
    if piece:
        yield count, "".join(piece)
