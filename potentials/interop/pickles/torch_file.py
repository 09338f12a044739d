"""Reading of the zip archives that `torch.save` writes."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import IO, Any

from potentials.config.messages.descriptions import shortened
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


@dataclass(frozen=True)
class Package:
    """A model in an archive of `torch.package`."""

    model: Any
    """The pickled model."""
    config: str
    """The configuration that the model was made with, YAML."""


_PACKAGED = "model/eager_model.pkl"
_PACKAGED_CONFIG = "model/config.yaml"
_PACKAGED_STORAGE = re.compile(r"\.data/(\d+)\.storage")
_LARGEST_CONFIG = 2**22
"""Bytes."""


def is_package(path: str | PathLike[str]) -> bool:
    """Return whether a file is an archive of `torch.package` with a model of nequip."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.count("/") == 2 and name.endswith(f"/{_PACKAGED}") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError):
        return False


def read_package(path: str | PathLike[str]) -> Package:
    """Read a model that nequip packaged (`NAME.nequip.zip`), without executing anything in the file.

    The programs in the package are not read.

    Raises:
        ConversionError: the file cannot be read, is damaged, or contains more than containers, tensors and the states
            of objects.
    """
    try:
        archive = zipfile.ZipFile(Path(path).open("rb"))  # noqa: SIM115  (tensors are read from it later)
        found = [name for name in archive.namelist() if name.count("/") == 2 and name.endswith(f"/{_PACKAGED}")]
        if len(found) != 1:
            raise ConversionError(f"expected one entry {_PACKAGED}, found {len(found)}")
        root = found[0].removesuffix(_PACKAGED)
        entries = _checked_entries(archive, root, _is_of_package)
        if _PACKAGED_CONFIG not in entries or entries[_PACKAGED_CONFIG].file_size > _LARGEST_CONFIG:
            raise ConversionError(f"expected an entry {_PACKAGED_CONFIG} of at most {_LARGEST_CONFIG} bytes")
        storages = {match.group(1): entries[name] for name in entries if (match := _PACKAGED_STORAGE.fullmatch(name))}
        model = unpickle(
            archive.read(entries[_PACKAGED]),
            {key: partial(_read, archive, entry, str(path)) for key, entry in storages.items()},
            {key: entry.file_size for key, entry in storages.items()},
        )
        return Package(model, archive.read(entries[_PACKAGED_CONFIG]).decode("utf-8"))
    except ConversionError as error:
        raise ConversionError(f"{path}: {error}") from error
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        reason = str(error)[:100]
        raise ConversionError(f"{path}: expected a package of nequip, but it cannot be read ({reason})") from error


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
        entries = _checked_entries(archive, root, _is_of_torch_save)
        content = archive.read(entries["data.pkl"])
        byte_order = archive.read(entries["byteorder"]) if "byteorder" in entries else b"little"
        if byte_order != b"little":
            raise ConversionError(
                f"expected numbers in little-endian order, got {shortened(byte_order[:20].decode(errors='replace'))}"
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


def _is_of_torch_save(name: str) -> bool:
    return name in ("data.pkl", "byteorder") or name.startswith("data/")


def _is_of_package(name: str) -> bool:
    return name in (_PACKAGED, _PACKAGED_CONFIG) or _PACKAGED_STORAGE.fullmatch(name) is not None


def _checked_entries(archive: zipfile.ZipFile, root: str, is_read: Callable[[str], Any]) -> dict[str, zipfile.ZipInfo]:
    """Return the entries with data by name within the folder, after checks that PyTorch's own archives always pass.

    Args:
        archive: the archive.
        root: its folder, with a slash.
        is_read: whether an entry, by name within the folder, is read; others are ignored.

    Raises:
        ConversionError: an entry is compressed (its size could be anything), two have the same name, or the description
            is too large.
    """
    entries: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        name = entry.filename.removeprefix(root)
        if not is_read(name):
            continue
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise ConversionError(f"entry {entry.filename[:100]!r} is compressed, which PyTorch never does")
        if name in entries:
            raise ConversionError(f"two entries {entry.filename[:100]!r}")
        entries[name] = entry
    size = max((entry.file_size for name, entry in entries.items() if name.endswith(".pkl")), default=0)
    if size > _LARGEST_PICKLE:
        raise ConversionError(f"the description of the model has {size} bytes, expected at most {_LARGEST_PICKLE}")
    return entries
