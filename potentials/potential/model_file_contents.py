"""Reading of header and tensors of a model file, upgraded to the current version and checked.

All contents are checked before use, and memory use is bounded by the size of the file.
"""

from __future__ import annotations

import json
import os
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import safetensors.torch
from safetensors import SafetensorError, safe_open

from potentials.config.messages.descriptions import shortened
from potentials.config.train import Precision
from potentials.data.builtin import BUILTIN_PREFIX, builtin_model_path
from potentials.equivariant.couplings import coupling_fingerprint
from potentials.errors import ModelFileError
from potentials.files import utf8_name
from potentials.potential.model_file_versions import Header, Tensors, upgrade

FORMAT = "potentials"
"""Key of the header in the metadata of the file."""
FINGERPRINT_DEGREE = 4
MAX_HEADER = 16 * 2**20
"""Maximum size of the JSON in bytes. Real headers have a few kB; 100 MB, which safetensors allows, need gigabytes."""
MAX_TENSORS = 20_000
_DTYPES = ("F32", "F64")
_LENGTH_BYTES = 8
"""The first bytes of a safetensors file, which give the length of its header."""


def model_path(model: str | os.PathLike[str]) -> Path:
    """Return the file of a model, given as path or as `builtin:NAME` for a potential of the package.

    Raises:
        ModelFileError: there is no built-in potential of that name.
    """
    name = os.fspath(model)
    if name.startswith(BUILTIN_PREFIX):
        return builtin_model_path(name.removeprefix(BUILTIN_PREFIX))
    return Path(name)


def read_contents(file: Path) -> tuple[Header, Tensors]:
    """Read header and tensors of a model file, upgraded to the current version and checked.

    Raises:
        ModelFileError: not a model file, truncated, of a version that this release cannot read, the header is too large
            or incomplete, or tensors are not floating-point numbers.
    """
    text, tensors = _read(file)
    try:
        return _checked(text, tensors)
    except ModelFileError as error:
        raise ModelFileError(f"{file}: {error}") from error


def unpack_contents(contents: bytes) -> tuple[Header, Tensors]:
    """Read header and tensors from the bytes of a model file, as stored in a pickled potential.

    Raises:
        ModelFileError: they are not the contents of a model file that this release can read.
    """
    try:
        start = _LENGTH_BYTES + int.from_bytes(contents[:_LENGTH_BYTES], "little")
        text = json.loads(contents[_LENGTH_BYTES:start])["__metadata__"][FORMAT]
        tensors = safetensors.torch.load(contents)
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFileError(f"not the contents of a model file ({shortened(str(error))})") from error
    return _checked(text, tensors)


def _checked(text: str, tensors: Tensors) -> tuple[Header, Tensors]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"the header is not valid JSON ({error})") from error
    header, tensors = upgrade(header, tensors)
    _check_header(header)
    return header, tensors


def _read(file: Path) -> tuple[str, Tensors]:
    try:
        if not file.is_file():
            raise ModelFileError(f"{file}: no such model file")
        with file.open("rb") as contents:
            length = int.from_bytes(contents.read(_LENGTH_BYTES), "little")
        # If the length exceeds that of the file, safetensors itself reports that the file is truncated.
        if MAX_HEADER < length <= file.stat().st_size:
            raise ModelFileError(
                f"{file}: the header has {length} bytes, more than the limit of {MAX_HEADER}; this is not a model file"
            )
        with utf8_name(file) as name, safe_open(name, framework="pt", device="cpu") as opened:
            text = (opened.metadata() or {}).get(FORMAT)
            if text is None:
                raise ModelFileError(
                    f"{file}: a safetensors file without a `{FORMAT}` header; this package did not write it"
                )
            names = list(opened.keys())
            _check_tensors(file, {name: opened.get_slice(name).get_dtype() for name in names[: MAX_TENSORS + 1]})
            return text, {name: opened.get_tensor(name) for name in names}
    except (SafetensorError, OSError, ValueError) as error:
        if zipfile.is_zipfile(file):
            raise ModelFileError(
                f"{file}: a file of PyTorch, not a model file; convert models of mace-torch, nequip or SevenNet with "
                "`potentials import`"
            ) from error
        raise ModelFileError(f"{file}: not a model file, or truncated ({shortened(str(error))})") from error


def _check_tensors(file: Path, dtypes: dict[str, str]) -> None:
    if len(dtypes) > MAX_TENSORS:
        raise ModelFileError(f"{file}: more than {MAX_TENSORS} tensors; this is not a model file")
    for name, dtype in dtypes.items():
        if dtype not in _DTYPES:
            raise ModelFileError(
                f"{file}: weight {shortened(name)} does not consist of finite floating-point numbers: expected "
                f"{' or '.join(_DTYPES)}, got {dtype}"
            )


def _check_header(header: Header) -> None:
    dictionaries = dict.fromkeys(("model", "reference_energies", "versions", "metadata"), dict)
    for name, kind in {**dictionaries, "precision": str, "coupling_signs": str}.items():
        if not isinstance(header.get(name), kind):
            raise ModelFileError(f"the header's `{name}` is missing or not a {kind.__name__}")
    if header["precision"] not in get_args(Precision):
        raise ModelFileError(f"unknown precision {header['precision'][:40]!r}")
    if not all(is_finite_number(energy) for energy in header["reference_energies"].values()):
        raise ModelFileError("the header's reference energies are not all finite numbers")
    _check_heads(header.get("heads", []))
    if header["coupling_signs"] != coupling_fingerprint(FINGERPRINT_DEGREE):
        raise ModelFileError(
            f"written with e3nn {str(header['versions'].get('e3nn'))[:40]!r}, whose coupling coefficients differ "
            f"in sign from those of the installed {version('e3nn')}; install the release with which it was written"
        )


def _check_heads(heads: Any) -> None:
    if not isinstance(heads, list) or not all(isinstance(head, dict) and _is_head(head) for head in heads):
        raise ModelFileError("the header's `heads` are not valid")


def _is_head(head: dict[str, Any]) -> bool:
    """Return whether an entry of a header describes a head; the family checks values by element."""
    if head.keys() != {"name", "reference_energies", "scale", "shift"} or not isinstance(head["name"], str):
        return False
    energies, *others = (head[name] for name in ("reference_energies", "scale", "shift"))
    numbers = [*(energies.values() if isinstance(energies, dict) else [None])]
    for value in others:
        numbers += value.values() if isinstance(value, dict) else [value]
    return all(is_finite_number(number) for number in numbers)


def is_finite_number(value: Any) -> bool:
    """Return whether a value of a header is a number within the range of float."""
    # Integers in JSON are unbounded; comparisons with NaN are false.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
