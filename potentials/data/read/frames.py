"""Structures read from files: ASE formats, lists, globs, slices and built-in sets."""

from __future__ import annotations

import difflib
import glob
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import ase.db
import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db.core import Database
from ase.db.row import AtomsRow
from ase.io.formats import (
    IOFormat,
    filetype,
    get_compression,
    get_ioformat,
    open_with_compression,
)
from ase.utils import string2index
from numpy.typing import NDArray

from potentials.config.data.files import Files
from potentials.config.data.paths import from_home
from potentials.data.builtin import BUILTIN_PREFIX, builtin_path
from potentials.data.read.ase_errors import reading_errors
from potentials.data.read.extxyz_layout import check_extxyz
from potentials.data.stores import FrameStore, is_store, open_store
from potentials.data.stores.entries import separate_entries
from potentials.data.stores.handles import release_handles
from potentials.errors import DataError

_SLICE = re.compile(r"-?\d+|-?\d*:-?\d*(:-?\d*)?")


@dataclass(frozen=True, eq=False)
class Frame:
    """One structure and its origin."""

    atoms: Atoms
    file: str
    """Path of the file, or `builtin:NAME`."""
    index: int
    """Number of the frame in its file, from 0."""

    def __str__(self) -> str:
        return f"{self.file}, frame {self.index}"


def read_frames(files: Files) -> list[Frame]:
    """Read structures, in the order of the files.

    Args:
        files: a path, a glob (its files in alphabetical order), `path@slice` in ASE's syntax (`a.xyz@:100`,
            `a.xyz@-1`, `a.db@natoms<10`), `builtin:NAME`, or a list of these.

    Returns:
        Frames with their file and frame number.

    Raises:
        DataError: a file is missing, empty or unreadable, a glob matches nothing, a slice gives no frame, or a frame
            is listed twice.
    """
    frames: list[Frame] = []
    seen: set[tuple[str, int]] = set()
    for entry in [files] if isinstance(files, str) else files:
        for name, path, selection in expand_files(entry):
            for frame in read_file(name, path, selection):
                if (path, frame.index) in seen:
                    raise DataError(f'{frame} is listed twice (the second time by "{entry}"); list each frame once')
                seen.add((path, frame.index))
                frames.append(frame)
    if not frames:
        raise DataError("the list of files is empty; expected at least one file, glob or builtin:NAME")
    return frames


class Located(Protocol):
    """A frame, or its file and number only."""

    @property
    def file(self) -> str:
        """Name of the file."""

    @property
    def index(self) -> int:
        """Number of the frame in the file."""


def frame_list(frames: Sequence[Located], limit: int = 10, count: int | None = None) -> str:
    """Describe frames by number: "4 frames (a.xyz: 1, 7; b.xyz: 0, ...)".

    Args:
        frames: all of them, or the first `limit`.
        limit: how many are listed.
        count: total number, if not all are given.
    """
    count = len(frames) if count is None else count
    numbers: dict[str, list[str]] = {}
    for frame in frames[:limit]:
        numbers.setdefault(frame.file, []).append(str(frame.index))
    listing = "; ".join(f"{file}: {', '.join(of_file)}" for file, of_file in numbers.items())
    return f"{count} frame{'' if count == 1 else 's'} ({listing}{', ...' if count > limit else ''})"


def expand_files(entry: str) -> list[tuple[str, str, str | None]]:
    """Return the files of one entry: name for messages, path, and the selection after the `@`."""
    location, selection = _split_selection(entry)
    if location.startswith(BUILTIN_PREFIX):
        return [(location, str(builtin_path(location.removeprefix(BUILTIN_PREFIX))), selection)]
    location = str(from_home(Path(location)))
    if _holds(Path(location).exists):
        return [(location, location, selection)]
    if glob.has_magic(location):
        matches = sorted(glob.glob(location, recursive=True))  # noqa: PTH207 (pathlib also matches hidden files)
        if not matches:
            raise DataError(f'no file matches "{location}"')
        return [(match, match, selection) for match in matches]
    raise DataError(_missing(location))


def files_of(files: Files) -> list[str]:
    """Return the paths of the files that `read_frames` would read.

    Raises:
        DataError: a file is missing, or a glob matches nothing.
    """
    entries = [files] if isinstance(files, str) else files
    return [path for entry in entries for _, path, _ in expand_files(entry)]


def _split_selection(entry: str) -> tuple[str, str | None]:
    location, at, selection = entry.rpartition("@")
    if not at or "/" in selection or _holds(Path(entry).exists):
        return entry, None
    is_database = Path(location).suffix in (".db", ".aselmdb") or "://" in location
    if not selection or not (is_database or _SLICE.fullmatch(selection)):
        raise DataError(
            f'"{entry}": invalid selection "@{selection}"; expected a frame number or a slice such as "@:100"'
        )
    return location, selection


def _holds(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except OSError:  # such as a name that is too long for a file
        return False


def _missing(location: str) -> str:
    path = Path(location)
    folder = path.parent
    if not _holds(folder.is_dir):
        return f"{location}: no such file; the folder {folder} does not exist"
    nearest = difflib.get_close_matches(path.name, sorted(entry.name for entry in folder.iterdir()), n=1, cutoff=0.5)
    return f"{location}: no such file" + (f'; did you mean "{folder / nearest[0]}"?' if nearest else "")


def read_file(name: str, path: str, selection: str | None) -> list[Frame]:
    """Read the selected frames of one file, numbered as in the file.

    Raises:
        DataError: the file cannot be read, the selection gives no frame, or `check_frame` refuses a frame.
    """
    index = selected(name, path, selection)
    if is_store(path) and isinstance(index, slice):
        return _read_store(name, open_store(path), index, selection)
    if isinstance(index, str):  # a database query
        images = _read(name, path, index)
        frames = [Frame(atoms, name, number) for number, atoms in enumerate(images)]
    elif counts_from_start(index):
        images = _read(name, path, index)
        frames = [Frame(atoms, name, (index.start or 0) + k * (index.step or 1)) for k, atoms in enumerate(images)]
    else:  # negative indices: the number of frames is not known before reading
        images = _read(name, path, slice(None))
        frames = [Frame(images[number], name, number) for number in range(len(images))[index]]
    if not frames:
        raise no_frame(name, selection, 0 if selection is None else len(_read(name, path, slice(None))))
    for frame in frames:
        check_frame(frame)
    return frames


def selected(name: str, path: str, selection: str | None) -> slice | str:
    """Return the selection after the `@`, as a slice or as a query of ASE's databases.

    Raises:
        DataError: the file is empty.
    """
    if Path(path).is_file() and Path(path).stat().st_size == 0:
        raise DataError(f"{name} is empty")
    index = string2index(":" if selection is None else selection)
    return slice(index, index + 1 or None) if isinstance(index, int) else index


def counts_from_start(index: slice) -> bool:
    """Return whether a slice can be applied during reading, before the number of frames is known."""
    return (index.start or 0) >= 0 and (index.stop is None or index.stop >= 0) and (index.step or 1) > 0


def _read_store(name: str, store: FrameStore, index: slice, selection: str | None) -> list[Frame]:
    frames = [Frame(store.read(number), name, number) for number in range(len(store))[index]]
    if not frames:
        raise no_frame(name, selection, len(store))
    for frame in frames:
        check_frame(frame)
    return frames


def no_frame(name: str, selection: str | None, total: int) -> DataError:
    """Return the error for a file or slice without frames."""
    if selection is None:
        return DataError(f"{name} contains no structure")
    has = {0: "no frames", 1: "one frame (0)"}.get(total, f"{total} frames (0 to {total - 1})")
    return DataError(f'"{name}@{selection}" selects no frame: the file has {has}')


def _read(name: str, path: str, index: slice | str) -> list[Atoms]:
    with reading_errors(name):
        file_format = get_ioformat(filetype(path))
    if file_format.name == "extxyz" and isinstance(index, slice):
        check_extxyz(name, path, index.stop)
    if file_format.name in ("db", "json"):
        images = _read_database(name, path, index)
    else:
        with reading_errors(name):
            source = file_source(path, file_format)
            if file_format.single and isinstance(index, slice):
                images = [ase.io.read(source, format=file_format.name, do_not_split_by_at_sign=True)][index]
            else:
                images = ase.io.read(source, index=index, format=file_format.name, do_not_split_by_at_sign=True)
    return images


def check_frame(frame: Frame) -> None:
    """Check that the structure of a frame has atoms, and that all atoms have an element.

    Raises:
        DataError: it has no atoms, or atoms without an element.
    """
    numbers = frame.atoms.numbers
    if len(numbers) == 0 or (numbers == 0).any():
        raise structure_error(str(frame), numbers)


def structure_error(frame: str, numbers: NDArray[np.integer]) -> DataError:
    """Return the error for a frame without atoms, or with atoms without an element."""
    if len(numbers) == 0:
        return DataError(f"{frame}: the structure has no atoms")
    return DataError(
        f"{frame}: the structure has atoms without an element (X); assign a chemical element to every atom"
    )


def file_source(path: str, file_format: IOFormat) -> str | io.StringIO:
    """Unpack compressed text at once: ASE's readers seek, and each step back in a compressed file starts over."""
    if file_format.isbinary or not file_format.acceptsfd or get_compression(path)[1] is None:
        return path
    with open_with_compression(path, "r") as lines:
        return io.StringIO(lines.read())


def _read_database(name: str, path: str, index: slice | str) -> list[Atoms]:
    """Read rows of an ASE database; key-value pairs and data go to `atoms.info`, while ASE drops them."""
    with reading_errors(name), connect_database(path) as database:
        if isinstance(index, str):
            rows = list(database.select(index))
        else:
            numbers = range(database.count())[slice(index.start, index.stop)]
            rows = list(database.select(offset=numbers.start, limit=len(numbers)))[:: index.step] if numbers else []
    return [row_atoms(name, row) for row in rows]


def connect_database(path: str) -> Database:
    """Open an ASE database for reading.

    Raises:
        DataError: it is an `.aselmdb`, and ase-db-backends is not installed.
    """
    if Path(path).suffix != ".aselmdb":
        return ase.db.connect(path)
    release_handles()  # LMDB can open a file only once in a process
    try:
        return ase.db.connect(path, readonly=True)
    except ImportError as error:
        raise DataError(
            f"{path}: selecting frames by a query needs ase-db-backends (pip install -c constraints.txt -e "
            "'.[databases]' in the clone); "
            'frame numbers and slices such as "@:100" do not'
        ) from error


def row_atoms(name: str, row: AtomsRow) -> Atoms:
    """The structure of a row of the file `name`, with what `potentials data convert` kept among its data."""
    with reading_errors(name):
        atoms = row.toatoms()
        info, results, arrays = separate_entries({**row.key_value_pairs, **row.data})
        for key, array in arrays.items():
            atoms.set_array(key, array)
    atoms.info.update(info)
    if results:
        atoms.calc = atoms.calc or SinglePointCalculator(atoms)
        atoms.calc.results.update(results)
    return atoms
