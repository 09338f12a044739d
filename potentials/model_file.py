"""The model file: one safetensors file with the weights and a JSON header. Reading it executes nothing.

Layout: the tensors of the family's `state_dict`, and in the file's metadata one entry, `potentials`, with the JSON
header: format and its version, the family's resolved configuration, reference energies, precision, units, versions of
the packages that wrote it, the signs of the coupling coefficients the weights belong to, and the training's metadata.
"""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast, get_args

import safetensors.torch
import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor

import potentials.models  # noqa: F401  (registers the families)
from potentials.config.families import FamilyConfig, families
from potentials.config.train import Precision
from potentials.equivariant.couplings import coupling_fingerprint
from potentials.errors import ModelFileError, PotentialsError
from potentials.potential import MODEL_DTYPE, Potential

FORMAT = "potentials"
FORMAT_VERSION = 1
_UNITS = {"energy": "eV", "length": "A", "stress": "eV/A^3"}
_PACKAGES = ("potentials", "torch", "e3nn", "ase", "numpy")
_FINGERPRINT_DEGREE = 4


def save(potential: Potential, path: str | os.PathLike[str]) -> None:
    """Write a potential to a file; the file appears whole or not at all.

    Raises:
        ModelFileError: the folder does not exist or cannot be written, or the potential was compiled.
    """
    target = Path(path)
    if potential.compilation is not None:
        raise ModelFileError(
            f"{target}: expected a potential as it was trained, got one compiled for molecular dynamics; "
            "save the one it was made of"
        )
    header = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "model": potential.config.model_dump(mode="json"),
        "elements": potential.elements,
        "reference_energies": dict(zip(potential.elements, potential.reference_energies.tolist(), strict=True)),
        "cutoff": potential.cutoff,
        "precision": potential.precision,
        "units": _UNITS,
        "versions": {package: version(package) for package in _PACKAGES},
        "coupling_signs": coupling_fingerprint(_FINGERPRINT_DEGREE),
        "metadata": potential.metadata,
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in potential.model.state_dict().items()}
    contents = safetensors.torch.save(tensors, metadata={FORMAT: json.dumps(header, sort_keys=True)})
    # Written here: what safetensors or `tempfile` write, nobody but its owner may read.
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        try:
            with temporary.open("wb") as file:
                file.write(contents)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise ModelFileError(f"{target}: cannot write the model file: {error}") from error


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The header of a model file.

    Raises:
        ModelFileError: not a model file, truncated, or of a version this release does not read.
    """
    return _read(Path(path))[0]


def load(
    path: str | os.PathLike[str], device: str | torch.device = "cpu", precision: Precision | None = None
) -> Potential:
    """Load a potential for use: in evaluation mode, its parameters frozen.

    Args:
        path: the model file.
        device: where to put it, whatever device it was trained on.
        precision: another precision than it was trained in.

    Raises:
        ModelFileError: not a model file, truncated, of an unknown version, or weights that do not fit the header.
    """
    file = Path(path)
    header, tensors = _read(file)
    potential = _from_header(file, header, precision)
    _load_weights(file, potential, tensors)
    return potential.to(device).eval().requires_grad_(False)


def _read(file: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if not file.is_file():
        raise ModelFileError(f"{file}: no such model file")
    try:
        with safe_open(file, framework="pt", device="cpu") as contents:
            text = (contents.metadata() or {}).get(FORMAT)
            tensors = {name: contents.get_tensor(name) for name in contents.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelFileError(f"{file}: not a model file, or truncated ({error})") from error
    if text is None:
        raise ModelFileError(f"{file}: a safetensors file, but not one this package wrote: it has no `{FORMAT}` header")
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{file}: the header is not valid JSON ({error})") from error
    _check_header(file, header)
    return header, tensors


def _check_header(file: Path, header: Any) -> None:
    found = header.get("format_version") if isinstance(header, dict) else None
    if found != FORMAT_VERSION or isinstance(found, bool):
        raise ModelFileError(
            f"{file}: format version {found!r}, but this release reads version {FORMAT_VERSION}; "
            "use the release of potentials that wrote it, or a newer one"
        )
    dictionaries = dict.fromkeys(("model", "reference_energies", "versions", "metadata"), dict)
    for name, kind in {**dictionaries, "precision": str, "coupling_signs": str}.items():
        if not isinstance(header.get(name), kind):
            raise ModelFileError(f"{file}: the header's `{name}` is missing or not a {kind.__name__}")
    if header["precision"] not in get_args(Precision):
        raise ModelFileError(f"{file}: unknown precision {header['precision']!r}")
    if not all(_is_finite_number(energy) for energy in header["reference_energies"].values()):
        raise ModelFileError(f"{file}: the header's reference energies are not all finite numbers")
    if header["coupling_signs"] != coupling_fingerprint(_FINGERPRINT_DEGREE):
        raise ModelFileError(
            f"{file}: written with e3nn {header['versions'].get('e3nn')}, whose coupling coefficients differ "
            f"in sign from those of the installed {version('e3nn')}; install the release it was written with"
        )


def _is_finite_number(value: Any) -> bool:
    # Whole numbers in JSON have no largest one; NaN compares as false.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _from_header(file: Path, header: dict[str, Any], precision: Precision | None) -> Potential:
    name = header["model"].get("name")
    family = families().get(name) if isinstance(name, str) else None
    if family is None:
        raise ModelFileError(f"{file}: unknown model family {name!r}; this release has {', '.join(families())}")
    try:
        config: FamilyConfig = family.model_validate(header["model"])
    except ValidationError as error:
        raise ModelFileError(f"{file}: the header's model configuration is not valid: {error}") from error
    precision = precision or cast(Precision, header["precision"])
    # Building draws initial weights; the caller's random numbers should not notice.
    with torch.random.fork_rng(devices=[]):
        try:
            return Potential(config, header["reference_energies"], precision, header["metadata"])
        except PotentialsError as error:
            raise ModelFileError(f"{file}: {error}") from error


def _load_weights(file: Path, potential: Potential, tensors: dict[str, Tensor]) -> None:
    expected = potential.model.state_dict()
    missing, extra = sorted(expected.keys() - tensors.keys()), sorted(tensors.keys() - expected.keys())
    if missing or extra:
        raise ModelFileError(f"{file}: weights do not fit the header: missing {missing[:3]}, unexpected {extra[:3]}")
    dtype = MODEL_DTYPE[potential.precision]
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            shapes = f"{tuple(tensor.shape)}, expected {tuple(expected[name].shape)}"
            raise ModelFileError(f"{file}: weight {name} has shape {shapes}")
        if not tensor.is_floating_point() or not bool(torch.isfinite(tensor).all()):
            raise ModelFileError(f"{file}: weight {name} is not made of finite floating-point numbers")
    potential.model.load_state_dict({name: tensor.to(dtype) for name, tensor in tensors.items()})
