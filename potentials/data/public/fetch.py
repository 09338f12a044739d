"""Public data sets written to disk: taken from the cache or downloaded, checked, converted to extxyz."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from potentials.cache import CACHE_VARIABLE, cache_path
from potentials.data.public.catalog import PublicDataSet, PublicFile
from potentials.data.public.download import DownloadError, download
from potentials.data.write import write_structures
from potentials.errors import DataError

Report = Callable[[PublicFile, int, int | None], None]
"""Called with the file, the number of bytes so far, and the total (None where it is not known)."""

OTHER_WAY = "a file downloaded by other means can be given with --archive"
CARD = "README.md"


@dataclass(frozen=True)
class WrittenFile:
    """A written file and its number of frames."""

    path: Path
    frames: int


def fetch(
    data_set: PublicDataSet,
    folder: Path,
    given: Sequence[Path] = (),
    *,
    overwrite: bool = False,
    report: Report = lambda file, done, total: None,
) -> list[WrittenFile]:
    """Write the data set to a folder: `*.extxyz` in eV and eV/A, and a card with source, license and references.

    A file appears under its name only when it is complete.

    Args:
        data_set: from the catalog.
        folder: created if it does not exist.
        given: local files of the data set, identified by their checksums; the others are taken from the cache, or
            downloaded into it.
        overwrite: whether to write into a folder that is not empty.
        report: called during downloads.

    Returns:
        The written files, without the card.

    Raises:
        DataError: the folder is not empty or cannot be written; a given file does not belong to the data set; a
            download fails or has another checksum than in the catalog; a file has another format.
    """
    _check_output(folder, overwrite)
    sources = _recognize(data_set, given)
    for file in data_set.files:
        if file.name not in sources:
            sources[file.name] = obtain(file, report)
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, frames in data_set.convert(sources):
            path = folder / f"{name}.extxyz"
            written.append(WrittenFile(path, write_structures(path, frames)))
        (folder / CARD).write_text(_card(data_set, written), encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot write to {folder}: {error.strerror or error}") from error
    return written


def obtain(file: PublicFile, report: Report = lambda file, done, total: None) -> Path:
    """Return the path of a file of the catalog in the cache; download it if it is missing, and verify its checksum.

    It is downloaded under a temporary name and renamed after verification. Of several concurrent processes, one
    downloads and the others wait.

    Raises:
        DataError: the download failed, or its checksum differs, in which case it is deleted.
    """
    folder = cache_path("data")
    path = folder / f"{file.checksum.digest[:12]}-{file.name}"
    partial = path.with_name(path.name + ".partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(path.with_name(path.name + ".lock")):
            if path.is_file() and file.checksum.fits(path):
                return path
            download(file.url, partial, lambda done, total: report(file, done, total or file.size))
            found = file.checksum.of(partial)
            if found == file.checksum.digest:
                return partial.replace(path)
            partial.unlink()
    except DownloadError as error:
        raise DataError(f"{error}; {OTHER_WAY}") from error
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"cannot use the cache {folder}: {reason}; set {CACHE_VARIABLE} to another folder") from error
    raise DataError(
        f"{file.url}: wrong checksum: expected {file.checksum}, found {found}; the download was deleted. "
        f"Try again if it may have been damaged; {OTHER_WAY}"
    )


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Allow one process at a time; the lock is released when the process ends for any reason."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _check_output(folder: Path, overwrite: bool) -> None:
    try:
        if not overwrite and folder.exists() and any(folder.iterdir()):
            raise DataError(f"{folder} is not empty; use --force to write into it, or --output for another folder")
    except OSError as error:
        raise DataError(f"{folder} cannot be written to: {error.strerror or error}") from error


def _recognize(data_set: PublicDataSet, given: Sequence[Path]) -> dict[str, Path]:
    """Return the given files by their names in the catalog."""
    recognized: dict[str, Path] = {}
    for path in given:
        if not path.is_file():
            raise DataError(f"{path}: no such file")
        try:
            found = {file: file.checksum.of(path) for file in data_set.files}
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror or error}") from error
        names = [file.name for file in data_set.files if found[file] == file.checksum.digest]
        if not names:
            lines = [f"{file.name}: expected {file.checksum}, found {found[file]}" for file in data_set.files]
            raise DataError("\n  ".join([f"{path} is not a file of {data_set.name}:", *lines]))
        recognized[names[0]] = path
    return recognized


def _card(data_set: PublicDataSet, written: Sequence[WrittenFile]) -> str:
    lines = [f"# {data_set.name}", "", data_set.summary, "", f"Source: {data_set.source}", ""]
    lines += [f"- {file.url} ({file.checksum})" for file in data_set.files]
    lines += ["", f"License: {data_set.license}", "", "To cite:", ""]
    lines += [f"- {citation}" for citation in data_set.citations]
    lines += ["", "Written by `potentials data fetch`; energies in eV, forces in eV/A.", ""]
    lines += [f"- {note}" for note in data_set.notes]
    lines += ["", "| file | frames |", "|---|---|"]
    lines += [f"| {file.path.name} | {file.frames} |" for file in written]
    return "\n".join(lines) + "\n"
