"""The model file: one safetensors file with the weights and a JSON header. Reading it executes no code.

The file contains the tensors of the family's `state_dict`, and in its metadata one entry `potentials` with the JSON
header: format and its version, the resolved configuration of the family, reference energies, precision, units, versions
of the packages that wrote it, the signs of the coupling coefficients used with the weights, and training metadata.
"""

from __future__ import annotations

import hashlib
import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, cast

import safetensors.torch
import torch
from pydantic import ValidationError

import potentials.models  # noqa: F401  (registers the families)
from potentials.cache import cache_path, keep, kept
from potentials.config.families import FamilyConfig, families
from potentials.config.messages.descriptions import describe_value, shortened
from potentials.config.messages.problems import summarize_errors
from potentials.config.train import Precision
from potentials.data.builtin import BUILTIN_PREFIX
from potentials.equivariant.couplings import coupling_fingerprint
from potentials.errors import ModelFileError, PotentialsError
from potentials.files import write_whole
from potentials.potential.devices import choose_device
from potentials.potential.heads import Head, MultiHeadPotential
from potentials.potential.model_file_contents import (
    FINGERPRINT_DEGREE,
    FORMAT,
    model_path,
    read_contents,
    unpack_contents,
)
from potentials.potential.model_file_versions import FORMAT_VERSION, Tensors
from potentials.potential.potential import MODEL_DTYPE, Potential
from potentials.torch_state import plain_torch_state

_UNITS = {"energy": "eV", "length": "A", "stress": "eV/A^3"}
_PACKAGES = ("potentials", "torch", "e3nn", "ase", "numpy")


def save(potential: Potential, path: str | os.PathLike[str]) -> None:
    """Write a potential to a file, atomically: the file is either complete or not created.

    Raises:
        ModelFileError: the folder does not exist or is not writable, or the potential is compiled.
    """
    target = Path(path)
    if potential.compilation is not None:
        raise ModelFileError(
            f"{target}: expected a trained potential, got one compiled for molecular dynamics; save the "
            "original potential"
        )
    try:
        write_whole(target, serialize(potential))
    except OSError as error:
        raise ModelFileError(f"{target}: cannot write the model file: {error}") from error


def serialize(potential: Potential) -> bytes:
    """Return the contents of the model file of a potential that is not compiled."""
    header = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "model": potential.config.model_dump(mode="json"),
        "elements": potential.elements,
        "reference_energies": _reference_energies(potential),
        "cutoff": potential.cutoff,
        "precision": potential.precision,
        "units": _UNITS,
        "versions": {package: version(package) for package in _PACKAGES},
        "coupling_signs": coupling_fingerprint(FINGERPRINT_DEGREE),
        "metadata": potential.metadata,
    }
    if isinstance(potential, MultiHeadPotential):
        header["heads"] = [head.to_json() for head in potential.head_settings]
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in potential.model.state_dict().items()}
    return safetensors.torch.save(tensors, metadata={FORMAT: json.dumps(header, sort_keys=True)})


def _reference_energies(potential: Potential) -> dict[str, float]:
    """Return the reference energies by element; those of the first head if there are several."""
    of_first = potential.reference_energies.reshape(-1, len(potential.elements))[0]
    return dict(zip(potential.elements, of_first.tolist(), strict=True))


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the header of a model file, or of `builtin:NAME`, upgraded to the current version of the format.

    Raises:
        ModelFileError: not a model file, truncated, or of a version that this release cannot read.
    """
    return read_contents(model_path(path))[0]


def load(
    path: str | os.PathLike[str],
    device: str | torch.device = "cpu",
    precision: Precision | None = None,
    head: str | None = None,
) -> Potential:
    """Load a potential in evaluation mode with frozen parameters.

    Args:
        path: model file, or `builtin:ethanol` for the potential included in the package.
        device: device of the potential, independent of that of the training.
        precision: precision of the potential; by default that of the training.
        head: load the potential of one head (level of theory) of a model file with several.

    Returns:
        The potential; with several heads and no `head`, a `MultiHeadPotential`.

    Raises:
        ModelFileError: not a model file, truncated, of an unknown version, the weights do not match the header, or
            there is no such head.
    """
    file = model_path(path)
    with plain_torch_state():
        header, tensors = read_contents(file)
        try:
            potential = _potential(header, tensors, precision)
            potential.source = _source(path)
            if head is not None:
                potential = potential.select_head(head)
        except PotentialsError as error:
            raise ModelFileError(f"{file}: {error}") from error
        return potential.to(device).eval().requires_grad_(False)


def load_one(
    path: str | os.PathLike[str],
    device: str | torch.device = "cpu",
    precision: Precision | None = None,
    head: str | None = None,
) -> Potential:
    """Load the potential of a model file with one head, or of one of its heads; arguments as for `load`.

    Raises:
        ModelFileError: as for `load`; or the file has several heads, and none is chosen.
    """
    potential = load(path, device, precision, head)
    try:
        return potential.select_head(None)
    except PotentialsError as error:
        raise ModelFileError(f"{model_path(path)}: {error}") from error


def _source(path: str | os.PathLike[str]) -> str:
    name = os.fspath(path)
    absolute = name if name.startswith(BUILTIN_PREFIX) else str(Path(name).absolute())
    # File names may not be valid text, but this one is written to trajectories and databases.
    return absolute.encode("utf-8", "backslashreplace").decode()


class _PickledState(NamedTuple):
    """State of a pickled potential that is not in its model file."""

    source: str | None
    device: str
    training: bool
    requires_grad: list[bool]


def pickled(potential: Potential) -> tuple[Any, ...]:
    """Pickle a potential that is not compiled as the contents of its model file."""
    trainable = [parameter.requires_grad for parameter in potential.parameters()]
    state = _PickledState(potential.source, str(potential.scale.device), potential.training, trainable)
    return _restored, (serialize(potential), state)


def _restored(contents: bytes, state: _PickledState) -> Potential:
    with plain_torch_state():
        header, tensors = unpack_contents(contents)
        potential = _potential(header, tensors, None)
        potential.source = state.source
        for parameter, trainable in zip(potential.parameters(), state.requires_grad, strict=True):
            parameter.requires_grad_(trainable)
        return potential.to(choose_device(state.device)).train(state.training)


def _potential(header: dict[str, Any], tensors: Tensors, precision: Precision | None) -> Potential:
    config = _config(header["model"])
    precision = precision or cast(Precision, header["precision"])
    heads = [Head(**entry) for entry in header.get("heads", [])]

    def build() -> Potential:
        # Building draws initial weights, which must not affect the caller's random numbers.
        with torch.random.fork_rng(devices=[]):
            if heads:
                return MultiHeadPotential(config, heads, precision, header["metadata"])
            return Potential(config, header["reference_energies"], precision, header["metadata"])

    # Built on the meta device first, to compare the shapes with those in the file before allocating memory. PyTorch
    # imports its compiler for this, so accepted headers are remembered.
    accepted = cache_path("accepted") / _shape_digest([header["model"], len(heads)], tensors)
    if kept(accepted) is None:
        with torch.device("meta"):
            expected = build().model.state_dict()
        _check_shapes(expected, tensors)
        keep(accepted, b"")
    weights = {name: tensor.to(MODEL_DTYPE[precision]) for name, tensor in tensors.items()}
    for name, weight in weights.items():
        if not bool(torch.isfinite(weight).all()):
            raise ModelFileError(f"weight {name} does not consist of finite floating-point numbers in {precision}")
    potential = build()
    potential.model.load_state_dict(weights)
    return potential


def _shape_digest(section: Any, tensors: Tensors) -> str:
    shapes = sorted((name, tuple(tensor.shape)) for name, tensor in tensors.items())
    asked = json.dumps([section, shapes, version("potentials"), torch.__version__], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()[:40]


def _config(section: dict[str, Any]) -> FamilyConfig:
    name = section.get("name")
    family = families().get(name) if isinstance(name, str) else None
    if family is None:
        known = ", ".join(families())
        raise ModelFileError(f"unknown model family: expected one of {known}, got {describe_value(name)}")
    try:
        return family.model_validate(section)
    except ValidationError as error:
        raise ModelFileError(f"the header's model configuration is not valid: {summarize_errors(error)}") from error


def _check_shapes(expected: Tensors, found: Tensors) -> None:
    missing, extra = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    if missing or extra:
        names = shortened(f"missing {missing[:3]}, unexpected {extra[:3]}")
        raise ModelFileError(f"weights do not match the header: {names}")
    for name, tensor in found.items():
        if tensor.shape != expected[name].shape:
            shapes = f"{tuple(tensor.shape)}, expected {tuple(expected[name].shape)}"
            raise ModelFileError(f"weight {name} has shape {shapes}")
