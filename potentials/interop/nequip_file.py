"""Conversion of checkpoints (`best.ckpt`) and packages (`NAME.nequip.zip`) of nequip, with models of nequip or Allegro.

Both contain the arguments of the model: a checkpoint as hyperparameters, a package in its configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from potentials.config.train import Precision
from potentials.config.yaml.reader import read_document
from potentials.errors import ConfigError, ConversionError
from potentials.interop import allegro, nequip
from potentials.interop.pickles import Package, Record, StoredTensor
from potentials.interop.pickles.modules import stored_state
from potentials.potential import Potential

_MODEL = "model.sole_model."
_AVERAGED = "ema.ema_weight_"
_CONSTANTS = ("output_mask", "_rmax_recip", "_num_scatter_norm", "bessel_weights", ".scales", ".shifts", ".w3j")
"""Endings of names of tensors that are not learned, unless the hyperparameters say otherwise."""


def is_nequip_checkpoint(content: Any) -> bool:
    """Return whether the content of a file is a checkpoint that nequip's training wrote."""
    return (
        isinstance(content, Mapping)
        and isinstance(content.get("state_dict"), Mapping)
        and isinstance(content.get("hyper_parameters"), Mapping)
        and any(str(name).startswith(_MODEL) for name in content["state_dict"])
    )


def potential_from_nequip_checkpoint(content: Mapping[str, Any], precision: Precision | None = None) -> Potential:
    """Convert a checkpoint of nequip to a potential with the same energies.

    The averaged weights are used if there are any, as nequip does.

    Args:
        content: the checkpoint, from `read_torch_file`.
        precision: precision of the potential; by default that of the model.

    Returns:
        The potential.

    Raises:
        ConversionError: the model is not nequip's, or has settings that the family does not support.
    """
    hyperparameters = _arguments(content["hyper_parameters"].get("model"), "hyper_parameters.model")
    stored = {str(name): value for name, value in content["state_dict"].items() if isinstance(value, StoredTensor)}
    state = {name.removeprefix(_MODEL): value.tensor() for name, value in stored.items() if name.startswith(_MODEL)}
    averaged = {name: value.tensor() for name, value in stored.items() if name.startswith(_AVERAGED)}
    if averaged:
        state = _with_averaged(state, averaged, hyperparameters)
    return _converted(hyperparameters, state, precision)


def potential_from_nequip_package(package: Package, precision: Precision | None = None) -> Potential:
    """Convert a packaged model of nequip to a potential with the same energies.

    Args:
        package: the package, from `read_package`.
        precision: precision of the potential; by default that of the model.

    Raises:
        ConversionError: the model is not nequip's, or has settings that the family does not support.
    """
    try:
        entry, problems = read_document(package.config, "model/config.yaml")
    except ConfigError as error:
        raise ConversionError(str(error)) from error
    if problems:
        raise ConversionError(f"model/config.yaml: {problems[0].message}")
    document = entry.plain()
    training = document.get("training_module") if isinstance(document, dict) else None
    given = training.get("model") if isinstance(training, dict) else None
    if not isinstance(package.model, Record):
        raise ConversionError(f"expected a packaged model, got an object of the type {type(package.model).__name__}")
    return _converted(_arguments(given, "training_module.model"), stored_state(package.model), precision)


def _arguments(given: Any, where: str) -> dict[str, Any]:
    """Return the arguments of the model, with the name of its class as `model`."""
    if not isinstance(given, dict):
        raise ConversionError(f"{where}: expected the arguments of the model")
    found = {str(name): value for name, value in given.items() if name != "_target_"}
    return {**found, "model": str(given.get("_target_")).rpartition(".")[2]}


def _converted(hyperparameters: dict[str, Any], state: dict[str, Tensor], precision: Precision | None) -> Potential:
    is_allegro = hyperparameters["model"] == "AllegroModel"
    embedding = allegro.EMBEDDING if is_allegro else nequip.EMBEDDING
    is_single = any(tensor.dtype == torch.float32 for name, tensor in state.items() if name.endswith(embedding))
    own: Precision = "float32" if is_single else "float64"
    convert = allegro.potential_from_allegro if is_allegro else nequip.potential_from_nequip
    potential = convert(hyperparameters, state, precision or own)
    potential.metadata["imported_from"] |= {"class": hyperparameters["model"]}
    return potential


def _with_averaged(
    state: dict[str, Tensor], averaged: Mapping[str, Tensor], hyperparameters: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Replace the parameters by their averages, which are numbered in the order of the parameters.

    Raises:
        ConversionError: numbers or shapes of the averages are not those of the parameters.
    """
    radial = hyperparameters.get("radial_chemical_embed") or hyperparameters
    learned = {
        "bessel_weights": isinstance(radial, Mapping) and radial.get("bessel_trainable"),
        ".scales": hyperparameters.get("per_type_energy_scales_trainable"),
        ".shifts": hyperparameters.get("per_type_energy_shifts_trainable"),
    }
    constants = tuple(ending for ending in _CONSTANTS if not learned.get(ending))
    names = [
        name
        for name, tensor in state.items()
        if tensor.numel() and "_w3j_" not in name and not name.endswith(constants)
    ]
    numbered = [averaged.get(f"{_AVERAGED}{number}") for number in range(len(averaged))]
    found = [tensor for tensor in numbered if tensor is None or tensor.numel()]
    if [state[name].shape for name in names] != [None if tensor is None else tensor.shape for tensor in found]:
        raise ConversionError(
            f"the EMA in the checkpoint has {len(averaged)} tensors, which do not match the {len(names)} parameters of "
            "the model in number or shape; this checkpoint cannot be converted"
        )
    return state | {name: tensor for name, tensor in zip(names, found, strict=True) if tensor is not None}
