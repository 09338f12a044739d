"""Translation of configurations of nequip (0.7 and later, with Lightning and Hydra), also with allegro."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from potentials.config.messages.foreign_keys import FOREIGN_KEYS
from potentials.setup.translation.given import Given, Written, problem, read_yaml

PROGRAM = "nequip"
_FAMILIES = {"NequIPGNNModel": "nequip", "AllegroModel": "allegro"}
_MODEL = "training_module.model."
_MODEL_KEYS = (
    "r_max", "num_layers", "l_max", "num_features", "num_bessels", "bessel_trainable", "polynomial_cutoff_p",
    "type_names", "avg_num_neighbors", "model_dtype",
)  # fmt: skip
_IGNORED = ("_target_", "shuffle", "compile_mode", "transforms", "monitor", "interval", "frequency", "threshold")
"""Last parts of keys that have no effect on the result, or that this program always does."""
_MOST_REFERENCES = 20


def translate_nequip(path: Path, files: Sequence[str] = ()) -> str:
    """Translate a configuration of nequip.

    Args:
        path: the YAML file.
        files: training files, instead of those of the file.

    Returns:
        The configuration; keys without counterpart are comments.

    Raises:
        ConfigError: the file cannot be read, the model is neither that of nequip nor that of allegro, or a value is not
            valid here.
    """
    content = read_yaml(path)
    given = Given(_resolved(content, content))
    written = Written()
    target = str(given.take(f"{_MODEL}_target_", ""))
    family = _FAMILIES.get(target.rpartition(".")[2])
    if family is None:
        got = f"got {target}" if target else "the file has none"
        raise problem(f"{path}: training_module.model._target_: expected {' or '.join(_FAMILIES)}; {got}")
    given.take("run")
    written.put("run", path.stem)
    written.put_given("seed", given, f"{_MODEL}seed")
    _data(given, written, files)
    written.put("model.name", family)
    _model(given, written, family)
    _loss(given, written)
    _train(given, written)
    given.take_all("training_module.val_metrics.")
    # Variables of the file that are used elsewhere in it.
    for name in [key for key in content if "." not in key and not isinstance(content[key], dict)]:
        given.take(name)
    untranslated = [line for line in given.rest() if not line.partition(":")[0].endswith(_IGNORED)]
    return written.text(f"Translated from {path.name} of {PROGRAM}.", untranslated)


def _resolved(value: Any, root: dict[str, Any], level: int = 0) -> Any:
    """Replace references such as `${cutoff_radius}` by the values in the file; statistics become `auto`."""
    if level > _MOST_REFERENCES:
        raise problem("references in the configuration are nested too deeply, or refer to each other")
    if isinstance(value, dict):
        return {str(key): _resolved(inner, root, level) for key, inner in value.items()}
    if isinstance(value, list):
        return [_resolved(inner, root, level) for inner in value]
    matched = re.fullmatch(r"\$\{([\w.]+)\}", value) if isinstance(value, str) else None
    if matched is not None:
        found: Any = root
        for name in matched[1].split("."):
            found = found.get(name) if isinstance(found, dict) else None
        return value if found is None else _resolved(found, root, level + 1)
    return "auto" if isinstance(value, str) and value.startswith("${training_data_stats:") else value


def _data(given: Given, written: Written, files: Sequence[str]) -> None:
    written.put_given("data.split_seed", given, "data.seed")
    split = given.take_all("data.split_dataset.")
    train = list(files) or split.get("file_path") or given.take("data.train_file_path")
    if not train:
        raise problem("no training files; give them before the options")
    written.put("data.train", train[0] if isinstance(train, list) and len(train) == 1 else train)
    for name, ours in (("val", "validation"), ("test", "test")):
        path = given.take(f"data.{name}_file_path")
        size = path or split.get(name)
        if size:
            written.put(f"data.{ours}", size)
    written.put_given("data.batch_size", given, "data.train_dataloader.batch_size")
    written.put_given("data.workers", given, "data.train_dataloader.num_workers")
    written.put_given("data.evaluation_batch_size", given, "data.val_dataloader.batch_size")
    for prefix in ("data.train_dataloader.", "data.val_dataloader.", "data.test_dataloader.", "data.stats_manager."):
        given.take_all(prefix)


def _model(given: Given, written: Written, family: str) -> None:
    for key in _MODEL_KEYS:
        value = given.take(_MODEL + key)
        if value is not None:
            for path, entry in FOREIGN_KEYS[key].entries(value, None).items():
                written.put(path, entry)
    written.put_given("model.parity", given, f"{_MODEL}parity")
    networks = {"radial_mlp": "radial_mlp"}
    if family == "allegro":
        written.put_given("model.channels", given, f"{_MODEL}num_tensor_features")
        written.put_given("model.scalar_channels", given, f"{_MODEL}num_scalar_features")
        written.put_given("model.radial.size", given, f"{_MODEL}radial_chemical_embed.num_bessels")
        written.put("model.scalars", "dense")
        written.put_given("model.embedding_channels", given, f"{_MODEL}radial_chemical_embed_dim")
        written.put_given("model.radial.trainable", given, f"{_MODEL}radial_chemical_embed.bessel_trainable")
        written.put_given("model.radial.envelope_power", given, f"{_MODEL}radial_chemical_embed.polynomial_cutoff_p")
        networks = {"embedding_mlp": "scalar_embed_mlp_hidden_layers"}
        networks |= {"latent_mlp": "allegro_mlp_hidden_layers", "readout_mlp": "readout_mlp_hidden_layers"}
    for ours, theirs in networks.items():
        depth, width = (given.take(f"{_MODEL}{theirs}_{part}") for part in ("depth", "width"))
        if depth is not None and width is not None:
            written.put(f"model.{ours}", [width] * depth)
    if given.take_all(f"{_MODEL}pair_potential."):
        written.put("model.zbl", {"range": "cutoff"})
    scales = _by_element(given, "per_type_energy_scales")
    if scales not in (None, {}):
        written.put("model.scale", scales)
    shifts = _by_element(given, "per_type_energy_shifts")
    if isinstance(shifts, dict) and shifts:
        written.put("data.reference_energies", shifts)
        written.put("model.shift", 0.0)
    for name in ("scales", "shifts"):
        given.take(f"{_MODEL}per_type_energy_{name}_trainable")


def _by_element(given: Given, key: str) -> Any:
    """Take one value, or values by element."""
    return given.take(_MODEL + key) or given.take_all(f"{_MODEL}{key}.")


def _loss(given: Given, written: Written) -> None:
    prefix = "training_module.loss."
    for theirs, ours in (("total_energy", "energy"), ("forces", "forces"), ("stress", "stress")):
        if ours == "stress" and given.get(f"{prefix}coeffs.{theirs}"):
            written.put("data.stress", "stress")
        written.put_given(f"loss.{ours}.weight", given, f"{prefix}coeffs.{theirs}")
    written.put_given("loss.energy.per_atom", given, f"{prefix}per_atom_energy")


def _train(given: Given, written: Written) -> None:
    written.put_given("train.max_epochs", given, "trainer.max_epochs")
    written.put_given("train.validate_every", given, "trainer.check_val_every_n_epoch")
    written.put_given("logging.every_steps", given, "trainer.log_every_n_steps")
    time = given.take("trainer.max_time")
    if time is not None:
        written.put("train.max_time", _duration(str(time)))
    accelerator = given.take("trainer.accelerator")
    if accelerator in ("cpu", "gpu", "auto"):
        written.put("train.accelerator", accelerator)
    written.put_given("train.devices", given, "trainer.devices")
    _optimizer(given, written)
    decay = given.take("training_module.ema_decay")
    written.put("train.ema", None if decay is None else {"decay": decay})
    for callback in given.take("trainer.callbacks") or []:
        if isinstance(callback, dict) and str(callback.get("_target_", "")).endswith("EarlyStopping"):
            written.put("train.early_stopping.patience", callback.get("patience", 3))
            written.put("train.early_stopping.minimum_improvement", callback.get("min_delta", 0.0))
    logger = given.take_all("trainer.logger.")
    if str(logger.get("_target_", "")).endswith("WandbLogger"):
        written.put("logging.wandb.project", logger.get("project", "nequip"))
    given.take("trainer.enable_checkpointing")


def _optimizer(given: Given, written: Written) -> None:
    prefix = "training_module.optimizer."
    target = str(given.take(f"{prefix}_target_", "torch.optim.Adam")).rpartition(".")[2]
    if target not in ("Adam", "AdamW"):
        raise problem(f"{prefix}_target_: expected torch.optim.Adam or AdamW, got {target}, which has no counterpart")
    written.put("train.optimizer.name", target.lower())
    written.put_given("train.optimizer.learning_rate", given, f"{prefix}lr")
    written.put("train.optimizer.amsgrad", given.take(f"{prefix}amsgrad", False))
    written.put_given("train.optimizer.weight_decay", given, f"{prefix}weight_decay")
    written.put_given("train.optimizer.betas", given, f"{prefix}betas")
    scheduler = given.take_all("training_module.lr_scheduler.scheduler.")
    name = str(scheduler.get("_target_", "")).rpartition(".")[2]
    if name == "ReduceLROnPlateau":
        settings = {"factor": scheduler.get("factor", 0.1), "patience": scheduler.get("patience", 10)}
        written.put("train.schedule", {"name": "plateau", **settings, "minimum": scheduler.get("min_lr", 0.0)})
    elif name == "CosineAnnealingLR":
        written.put("train.schedule", {"name": "cosine", "warmup_epochs": 0.0})
    elif not name:
        written.put("train.schedule", {"name": "constant"})
    else:
        expected = "ReduceLROnPlateau or CosineAnnealingLR"
        raise problem(f"lr_scheduler: expected {expected}, got {name}, which has no counterpart")


def _duration(text: str) -> str:
    """Convert Lightning's `DD:HH:MM:SS` to a duration such as `72h`."""
    parts = text.split(":")
    if len(parts) != 4 or not all(part.isdigit() for part in parts):
        raise problem(f"trainer.max_time: expected DD:HH:MM:SS, got {text}")
    days, hours, minutes, seconds = map(int, parts)
    return f"{((days * 24 + hours) * 60 + minutes) * 60 + seconds}s"
