"""Translation of the arguments of `mace_run_train` (mace-torch)."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from potentials.config.messages.foreign_keys import FOREIGN_KEYS, MACE_INTERACTIONS
from potentials.models.mace import MACEConfig
from potentials.setup.translation.given import Given, Written, problem, read_yaml

PROGRAM = "mace_run_train"
DEFAULTS: dict[str, Any] = {
    "model": "MACE", "r_max": 5.0, "num_interactions": 2, "max_ell": 3, "correlation": 3, "num_radial_basis": 8,
    "num_cutoff_basis": 5, "radial_type": "bessel", "radial_MLP": "[64, 64, 64]", "MLP_irreps": "16x0e",
    "interaction": "RealAgnosticResidualInteractionBlock", "interaction_first": "RealAgnosticResidualInteractionBlock",
    "scaling": "rms_forces_scaling", "batch_size": 10, "valid_batch_size": 10, "valid_fraction": 0.1, "lr": 0.01,
    "optimizer": "adam", "beta": 0.9, "amsgrad": True, "weight_decay": 5e-7, "clip_grad": 10.0,
    "scheduler": "ReduceLROnPlateau", "lr_factor": 0.8, "scheduler_patience": 50, "ema": False, "ema_decay": 0.99,
    "max_num_epochs": 2048, "patience": 2048, "eval_interval": 1, "loss": "weighted", "energy_weight": 1.0,
    "forces_weight": 100.0, "stress_weight": 1.0, "virials_weight": 1.0, "huber_delta": 0.01, "swa": False,
    "swa_lr": 1e-3, "swa_energy_weight": 1000.0, "swa_forces_weight": 100.0, "swa_stress_weight": 10.0,
    "swa_virials_weight": 10.0, "energy_key": "REF_energy", "forces_key": "REF_forces", "stress_key": "REF_stress",
    "virials_key": "REF_virials", "default_dtype": "float64", "seed": 123,
}  # fmt: skip
"""Defaults of mace-torch 0.3.16."""
_SYNONYMS = {"stage_two": "swa", "start_stage_two": "start_swa"} | {
    f"stage_two_{name}": f"swa_{name}"
    for name in ("lr", "energy_weight", "forces_weight", "stress_weight", "virials_weight")
}
_LOSSES = {
    "weighted": ("mse", None), "ef": ("mse", None), "forces_only": ("mse", None), "stress": ("mse", "stress"),
    "virials": ("mse", "virials"), "huber": ("huber", "stress"), "universal": ("huber", "stress"),
}  # fmt: skip
"""Error function of each loss, and the quantity besides energies and forces."""
_MODEL_KEYS = (
    "r_max", "num_interactions", "max_ell", "atomic_numbers", "num_radial_basis", "num_cutoff_basis", "radial_type",
    "radial_MLP", "MLP_irreps", "scaling", "pair_repulsion",
)  # fmt: skip
_FLAGS = {"true": True, "false": False, "none": None}


def translate_mace(arguments: str, files: Sequence[str] = ()) -> str:
    """Translate arguments of mace_run_train, with its defaults, into a configuration.

    Args:
        arguments: the arguments as in a shell (`--r_max=5 --max_ell 3 --swa`), or the path of the YAML file that is
            given to mace_run_train as `--config`.
        files: training files, instead of `--train_file`.

    Returns:
        The configuration; arguments without counterpart are comments.

    Raises:
        ConfigError: the arguments cannot be read, the model is not an energy model, or a value is not valid here.
    """
    named = _arguments(arguments)
    named = {_SYNONYMS.get(key, key): value for key, value in named.items()}
    given = Given(DEFAULTS | named)
    written = Written()
    written.put("run", given.take("name") or "mace")
    written.put("seed", given.take("seed"))
    _data(given, written, files)
    _model(given, written)
    function, third = _loss(given, written)
    _train(given, written)
    _second_stage(given, written, function, third)
    untranslated = [line for line in given.rest() if line.partition(":")[0] in named]
    return written.text(
        f"Translated from arguments of {PROGRAM}; values that were not given are its defaults.", untranslated
    )


def _arguments(text: str) -> dict[str, Any]:
    """Read arguments from text or from a YAML file."""
    if not text.lstrip().startswith("--") and Path(text.strip()).suffix in (".yaml", ".yml"):
        return read_yaml(Path(text.strip()))
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise problem(f"arguments of {PROGRAM}: {error}") from error
    named: dict[str, Any] = {}
    key = None
    for word in words:
        if word.startswith("--"):
            key, separator, value = word.removeprefix("--").partition("=")
            named[key] = _value(value) if separator else True
        elif key is None:
            raise problem(f"expected arguments of {PROGRAM}, such as --r_max=5.0, or a YAML file; got {word}")
        else:
            named[key] = _value(word)
    if "config" in named:
        named = read_yaml(Path(str(named.pop("config")))) | named
    return named


def _value(text: str) -> Any:
    """Return a number, true, false or null from an argument, or its text."""
    if text.lower() in _FLAGS:
        return _FLAGS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _put_known(given: Given, written: Written, *keys: str) -> None:
    """Translate keys by the table of foreign keys; what it cannot translate stays."""
    for key in keys:
        if key not in given:
            continue
        value = given.take(key)
        entries = {} if value is None else FOREIGN_KEYS[key].entries(value, MACEConfig)
        if value is not None and (not entries or "..." in entries.values()):
            raise problem(f"{key} of {PROGRAM}: {value!r} has no counterpart here")
        for path, entry in entries.items():
            written.put(path, entry)


def _data(given: Given, written: Written, files: Sequence[str]) -> None:
    train_file = given.take("train_file")
    if files:
        written.put("data.train", list(files) if len(files) > 1 else files[0])
    elif train_file is not None:
        written.put("data.train", train_file)
    else:
        raise problem("no training files; give them before the options, or as --train_file")
    fraction, valid_file = given.take("valid_fraction"), given.take("valid_file")
    written.put("data.validation", valid_file or fraction)
    _put_known(
        given,
        written,
        "test_file",
        "energy_key",
        "forces_key",
        "E0s",
        "valid_batch_size",
        "num_workers",
        "config_type_weights",
    )
    written.put("data.batch_size", given.take("batch_size"))


def _model(given: Given, written: Written) -> None:
    model = given.take("model")
    if model not in ("MACE", "ScaleShiftMACE"):
        raise problem(
            f"model of {PROGRAM}: expected MACE or ScaleShiftMACE, got {model}; other models have no counterpart"
        )
    written.put("model.name", "mace")
    _put_known(given, written, *_MODEL_KEYS)
    written.put("model.correlation", given.take("correlation"))
    transform = str(given.take("distance_transform", "None")).lower()
    if transform != "none":
        written.put("model.radial.distance_transform", transform)
    if given.take("compute_avg_num_neighbors", True):
        given.take("avg_num_neighbors")
    else:
        _put_known(given, written, "avg_num_neighbors")
    _channels(given, written)
    _interactions(given, written, model)
    if model == "MACE":
        written.put("model.shift", 0.0)


def _interactions(given: Given, written: Written, model: str) -> None:
    """Forms and normalization; the first interaction of the model MACE is not residual, so that E0s are exact."""
    names = [str(given.take(key)) for key in ("interaction_first", "interaction")]
    unknown = [name for name in names if name not in MACE_INTERACTIONS]
    if unknown:
        known = ", ".join(MACE_INTERACTIONS)
        raise problem(f"interaction of {PROGRAM}: expected one of {known}; got {unknown[0]}, which has no counterpart")
    (first, first_normalization), (other, normalization) = (MACE_INTERACTIONS[name] for name in names)
    if model == "MACE" and first == "residual":
        first, first_normalization = MACE_INTERACTIONS["RealAgnosticInteractionBlock"]
    if first_normalization != normalization:
        raise problem(f"interactions of {PROGRAM}: expected all layers normalized alike, got {names[0]} and {names[1]}")
    written.put("model.first_interaction", first)
    written.put("model.interaction", other)
    written.put("model.normalization", normalization)


def _channels(given: Given, written: Written) -> None:
    """Channels and degree; `num_channels` and `max_L` have precedence over `hidden_irreps`."""
    channels, degree, irreps = (given.take(key) for key in ("num_channels", "max_L", "hidden_irreps"))
    if irreps is not None and (channels is None or degree is None):
        entries = FOREIGN_KEYS["hidden_irreps"].entries(irreps, MACEConfig)
        if "..." in entries.values():
            raise problem(f"hidden_irreps of {PROGRAM}: expected equal channels, such as 128x0e + 128x1o; got {irreps}")
        channels, degree = entries["model.channels"], entries["model.feature_degree"]
    written.put("model.channels", 128 if channels is None else channels)
    written.put("model.feature_degree", 1 if degree is None else degree)


def _loss(given: Given, written: Written) -> tuple[str, str | None]:
    loss = given.take("loss")
    if loss not in _LOSSES:
        raise problem(f"loss of {PROGRAM}: expected one of {', '.join(_LOSSES)}; got {loss}, which has no counterpart")
    function, third = _LOSSES[loss]
    delta = given.take("huber_delta")
    weights = _weights(given, "", third)
    if loss == "forces_only":
        weights["energy"] = 0.0
    for quantity, weight in weights.items():
        written.put(f"loss.{quantity}.weight", weight)
        if function == "huber":
            written.put(f"loss.{quantity}.function", function)
            written.put(f"loss.{quantity}.huber_delta", delta)
    stress_key, virials_key = given.take("stress_key"), given.take("virials_key")
    if third == "stress":
        written.put("data.stress.key", stress_key)
    elif third == "virials":
        # mace-torch's virial is minus the strain derivative of the energy.
        written.put("data.virial", {"key": virials_key, "sign": "compression-positive"})
    return function, third


def _weights(given: Given, prefix: str, third: str | None) -> dict[str, Any]:
    found = {name: given.take(f"{prefix}{name}_weight") for name in ("energy", "forces", "stress", "virials")}
    weights = {"energy": found["energy"], "forces": found["forces"]}
    return weights | ({} if third is None else {"stress": found[third]})


def _train(given: Given, written: Written) -> None:
    _put_known(given, written, "max_num_epochs", "lr")
    written.put("train.optimizer.name", given.take("optimizer"))
    written.put("train.optimizer.amsgrad", given.take("amsgrad"))
    written.put("train.optimizer.betas", [given.take("beta"), 0.999])
    written.put("train.optimizer.weight_decay", given.take("weight_decay"))
    scheduler, factor, patience = (given.take(key) for key in ("scheduler", "lr_factor", "scheduler_patience"))
    if scheduler == "ReduceLROnPlateau":
        written.put("train.schedule", {"name": "plateau", "factor": factor, "patience": patience})
    else:
        raise problem(
            f"scheduler of {PROGRAM}: expected ReduceLROnPlateau, got {scheduler}; choose it and edit train.schedule"
        )
    decay = given.take("ema_decay")
    written.put("train.ema", {"decay": decay} if given.take("ema") else None)
    written.put("train.early_stopping.patience", given.take("patience"))
    _put_known(given, written, "clip_grad", "eval_interval", "default_dtype", "device", "wandb_project", "wandb_entity")


def _second_stage(given: Given, written: Written, function: str, third: str | None) -> None:
    start, learning_rate = given.take("start_swa"), given.take("swa_lr")
    weights = _weights(given, "swa_", third)
    if not given.take("swa") and start is None:
        return
    loss: Mapping[str, Any] = {name: {"weight": weight, "function": function} for name, weight in weights.items()}
    written.put(
        "train.second_stage", {"start": 0.75 if start is None else start, "learning_rate": learning_rate, "loss": loss}
    )
