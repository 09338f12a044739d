"""Potentials from the model files of other programs."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from potentials.config.train import Precision
from potentials.errors import ConversionError
from potentials.interop.mace_file import is_mace_model, potential_from_mace_model
from potentials.interop.nequip_file import (
    is_nequip_checkpoint,
    potential_from_nequip_checkpoint,
    potential_from_nequip_package,
)
from potentials.interop.pickles import Package, Record, is_package, read_package, read_torch_file
from potentials.interop.sevennet import is_sevennet_checkpoint, potential_from_sevennet
from potentials.potential import Potential, model_file

_EXPECTED = (
    "expected a whole model of mace-torch (NAME.model, as mace_run_train writes it), a checkpoint or package of nequip "
    "(NAME.ckpt, NAME.nequip.zip; also with an Allegro model), or a checkpoint of SevenNet (NAME.pth)"
)


def import_model(path: str | PathLike[str], head: str | None = None, precision: Precision | None = None) -> Potential:
    """Convert a model file of another program to a potential with the same energies.

    A model file of this program (`NAME.potential`) is loaded, to select one of its heads or another precision.

    The other program is not needed, and nothing in the file is executed. Supported are energy models of mace-torch
    (`NAME.model`), checkpoints and packages of nequip (`NAME.ckpt`, `NAME.nequip.zip`) with models of nequip or
    nequip-allegro, and checkpoints of SevenNet (`NAME.pth`).

    Args:
        path: the file.
        head: name of the head (level of theory). By default all heads of a model of mace-torch; required for a
            SevenNet with several modals, which differ in more than readouts.
        precision: `float32`, `float64` or `mixed`; by default the precision of the model.

    Returns:
        The potential in evaluation mode with frozen parameters; a `MultiHeadPotential` for several heads.
        `metadata["imported_from"]` states program, file, class and head.

    Raises:
        ConversionError: the file cannot be read, is not such a model, or has settings that the family does not support;
            or the head is missing or unknown.
    """
    if Path(path).suffix == ".potential":
        return model_file.load(path, precision=precision, head=head)
    content: Any = read_package(path) if is_package(path) else read_torch_file(path)
    is_of_nequip = isinstance(content, Package)
    try:
        if is_mace_model(content):
            potential = potential_from_mace_model(content, head, precision)
        elif is_of_nequip or is_nequip_checkpoint(content):
            if head is not None:
                raise ConversionError(f"the model has no named heads; remove the option `head` (given: {head})")
            convert: Any = potential_from_nequip_package if is_of_nequip else potential_from_nequip_checkpoint
            potential = convert(content, precision)
        elif is_sevennet_checkpoint(content):
            potential = potential_from_sevennet(content, head, precision)
        else:
            raise ConversionError(f"{_EXPECTED}, got {_described(content)}")
    except ConversionError as error:
        raise ConversionError(f"{path}: {error}") from error
    potential.metadata["imported_from"]["file"] = Path(path).name
    return potential.eval().requires_grad_(False)


def _described(content: Any) -> str:
    if isinstance(content, Record):
        return f"an object of the class {type(content).class_name}"
    if isinstance(content, Mapping):
        listed = ", ".join(str(key)[:30] for key in list(content)[:4])
        return f"a dictionary ({listed}, ...); state dicts, and checkpoints of mace-torch, lack hyperparameters"
    return f"an object of the type {type(content).__name__}"
