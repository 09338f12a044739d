"""Check that a file can be written before its contents are computed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from potentials.errors import DataError


def check_output(path: Path, inputs: Iterable[str | Path] = ()) -> None:
    """Check that a file can be written to `path` without overwriting an input.

    Args:
        path: the file to write.
        inputs: files that are read. Links and other names of the same file are recognized; other names are ignored.

    Raises:
        DataError: the folder does not exist or is not writable, `path` is a folder, or it is one of the inputs.
    """
    try:
        _check_place(path)
        taken = next((given for given in inputs if _is_same_file(path, Path(given))), None)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}; choose another name") from error
    if taken is not None:
        other = "" if str(path) == str(taken) else f" ({taken})"
        raise DataError(f"the output {path} is also an input{other}; choose another name")


def check_outputs(paths: Iterable[Path | None], inputs: Iterable[str | Path] = ()) -> None:
    """Check each given path with `check_output`, and that the paths are different files.

    Raises:
        DataError: an output cannot be written, or two outputs are the same file.
    """
    given = [path for path in paths if path is not None]
    known = list(inputs)
    for number, path in enumerate(given):
        check_output(path, known)
        if path.absolute() in [other.absolute() for other in given[:number]]:
            raise DataError(f"{path} is given as two outputs; choose different names")


def _check_place(path: Path) -> None:
    folder = path.parent
    if not folder.is_dir():
        raise DataError(f"the folder of the output {path} does not exist; create {folder} or choose another name")
    if path.is_dir():
        raise DataError(f"the output {path} is a folder; expected the name of a file")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DataError(f"the output {path} cannot be written: no permission to write to {folder.absolute()}")
    if path.exists() and not os.access(path, os.W_OK):
        raise DataError(f"the output {path} cannot be written: it is write-protected; choose another name")


def _is_same_file(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)
