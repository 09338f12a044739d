"""Reading of the zip archives that `torch.save` writes."""

from __future__ import annotations

import zipfile
from functools import partial
from os import PathLike
from pathlib import Path
from typing import IO, Any

from potentials.errors import ConversionError
from potentials.interop.pickles.unpickler import unpickle

_LARGEST_PICKLE = 2**28
"""Bytes; descriptions of models take a few megabytes."""


def read_torch_file(path: str | PathLike[str]) -> Any:
    """Read a file written by `torch.save`, without executing anything in it.

    Args:
        path: the file: a zip archive with an entry `data.pkl`, as PyTorch writes since 1.6.

    Returns:
        What was saved; see `potentials.interop.pickles`. Tensors are read from the file when needed.

    Raises:
        ConversionError: the file does not exist or cannot be read, is not such an archive, is damaged, or contains
            more than containers, tensors and the states of objects.
    """
    try:
        file = Path(path).open("rb")  # noqa: SIM115  (tensors are read from it later)
        try:
            return read_archive(file, str(path))
        except ConversionError:
            file.close()
            raise
    except (FileNotFoundError, IsADirectoryError) as error:
        raise ConversionError(f"{path}: no such file") from error
    except OSError as error:
        raise ConversionError(f"{path}: cannot be read: {error.strerror or error}") from error


def read_archive(file: IO[bytes], name: str, is_compiled: bool = False) -> Any:
    """Read an open archive; see `read_torch_file`.

    Args:
        file: the archive.
        name: name for messages.
        is_compiled: whether the archive may be a compiled TorchScript module, of which only the data are read.
    """
    try:
        archive = zipfile.ZipFile(file)
        root = _root(set(archive.namelist()), is_compiled)
        entries = _checked_entries(archive, root)
        content = archive.read(entries["data.pkl"])
        byte_order = archive.read(entries["byteorder"]) if "byteorder" in entries else b"little"
        if byte_order != b"little":
            raise ConversionError(
                f"expected numbers in little-endian order, got {byte_order[:20].decode(errors='replace')}"
            )
        storages = {key.removeprefix("data/"): entry for key, entry in entries.items() if key.startswith("data/")}
        return unpickle(
            content,
            {key: partial(_read, archive, entry, name) for key, entry in storages.items()},
            {key: entry.file_size for key, entry in storages.items()},
        )
    except ConversionError as error:
        raise ConversionError(f"{name}: {error}") from error
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise ConversionError(
            f"{name}: expected a zip archive written by torch.save, but it cannot be read as one ({str(error)[:100]}); "
            "files of PyTorch before 1.6 must be saved again by a newer PyTorch"
        ) from error


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> bytes:
    try:
        return archive.read(entry)
    except (OSError, zipfile.BadZipFile, EOFError) as error:
        raise ConversionError(f"{name}: {entry.filename}: {error}") from error


def _root(names: set[str], is_compiled: bool) -> str:
    """Return the folder of the archive that contains everything, with its slash."""
    found = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(found) != 1:
        raise ConversionError("expected a file written by torch.save, with one entry data.pkl")
    root = found[0].removesuffix("data.pkl")
    if f"{root}constants.pkl" in names and not is_compiled:
        raise ConversionError(
            "this is a compiled TorchScript model, which contains program code; expected the model it was made from"
        )
    return root


def _checked_entries(archive: zipfile.ZipFile, root: str) -> dict[str, zipfile.ZipInfo]:
    """Return the entries with data by name within the folder, after checks that PyTorch's own archives always pass.

    Raises:
        ConversionError: an entry is compressed (its size could be anything), two have the same name, or the description
            is too large.
    """
    entries: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        name = entry.filename.removeprefix(root)
        if name not in ("data.pkl", "byteorder") and not name.startswith("data/"):
            continue  # never read
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise ConversionError(f"entry {entry.filename[:100]!r} is compressed, which PyTorch never does")
        if name in entries:
            raise ConversionError(f"two entries {entry.filename[:100]!r}")
        entries[name] = entry
    size = entries["data.pkl"].file_size
    if size > _LARGEST_PICKLE:
        raise ConversionError(f"the description of the model has {size} bytes, expected at most {_LARGEST_PICKLE}")
    return entries
