"""Keys of MACE (mace-torch), NequIP and SevenNet, and what to write here instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from ase.data import chemical_symbols
from pydantic import BaseModel

from potentials.config.families import FamilyConfig

MACE_INTERACTIONS = {
    "RealAgnosticInteractionBlock": ("non-residual", "average-neighbors"),
    "RealAgnosticResidualInteractionBlock": ("residual", "average-neighbors"),
    "RealAgnosticDensityInteractionBlock": ("non-residual", "density"),
    "RealAgnosticDensityResidualInteractionBlock": ("residual", "density"),
}
"""Form and normalization of the interaction blocks of mace-torch that the family `mace` has, by class."""
Entries = Mapping[str, Any]
"""Values by the paths of our keys, such as `model.cutoff`."""
MACE, NEQUIP, SEVENNET = "MACE", "NequIP", "SevenNet"


@dataclass(frozen=True)
class ForeignKey:
    """A key of other programs.

    Attributes:
        programs: names of the programs.
        paths: our keys; the first one that the family has is used.
        translate: function of the value that returns our entries, for keys that need more than another name. It raises
            ValueError if the value is not one of the other program.
        note: what to do if there is no such key here.
    """

    programs: str
    paths: tuple[str, ...] = ()
    translate: Callable[[Any], Entries] | None = None
    note: str = ""

    def entries(self, value: Any, section: type[BaseModel] | None) -> Entries:
        """Return our entries for a value; empty if there is no such key here, or not in the family of the section."""
        if self.translate is not None:
            try:
                found = self.translate(value)
            except (ValueError, TypeError, KeyError, IndexError, AttributeError, yaml.YAMLError):
                found = dict.fromkeys(self.paths, "...")
            return found if all(_exists(path, section) for path in found) else {}
        path = next((path for path in self.paths if _exists(path, section)), None)
        return {} if path is None else {path: value}


def foreign_key_message(key: str, value: Any, section: type[BaseModel] | None) -> str | None:
    """Return a message that names our key for one of another program, with its value; None if it is not known.

    Args:
        key: the unknown key.
        value: its value.
        section: class of the section in which it was given.
    """
    foreign = FOREIGN_KEYS.get(key)
    if foreign is None:
        return None
    entries = foreign.entries(value, section)
    if entries:
        text = " and ".join(f"{path}: {flow(entry)}" for path, entry in entries.items())
        return f"unknown key; for {key} of {foreign.programs}, write {text}"
    if foreign.note:
        return f"unknown key; {key} of {foreign.programs}: {foreign.note}"
    if section is None:
        return None
    known = ", ".join(section.model_fields)
    return f"unknown key; the family has no counterpart of {key} of {foreign.programs}; its keys are {known}"


def _exists(path: str, section: type[BaseModel] | None) -> bool:
    """Return whether the family has a key; true if the family is not known."""
    first, _, rest = path.partition(".")
    if first != "model" or section is None or not issubclass(section, FamilyConfig) or section is FamilyConfig:
        return True
    return rest.partition(".")[0] in section.model_fields


def flow(value: Any) -> str:
    """Write a value as YAML on one line."""
    if value == "...":
        return "..."
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...").strip()


def _parsed(value: Any) -> Any:
    """Return the list or mapping that a text contains; mace-torch takes lists as text."""
    return yaml.safe_load(value) if isinstance(value, str) else value


def natural_irreps(value: Any) -> tuple[int, int]:
    """Return channels and degree of irreps with equal channels and natural parity, such as `128x0e + 128x1o`.

    Raises:
        ValueError: they are others.
    """
    text, parts = str(value).replace(" ", ""), _irreps(value)
    channels, degree = parts[0][0] if parts else 0, len(parts) - 1
    if not parts or text != "+".join(f"{channels}x{n}{'eo'[n % 2]}" for n in range(degree + 1)):
        raise ValueError(
            f"expected irreps with equal channels and natural parity, such as 64x0e+64x1o+64x2e, got {value}"
        )
    return channels, degree


def _irreps(value: Any) -> list[tuple[int, int]]:
    """Return multiplicity and degree of each part of irreps."""
    parts = re.findall(r"(\d+)x(\d+)[eo]", str(value).replace(" ", ""))
    return [(int(multiplicity), int(degree)) for multiplicity, degree in parts]


def _hidden_irreps(value: Any) -> Entries:
    try:
        channels, degree = natural_irreps(value)
    except ValueError:
        # Other irreps have no counterpart; their degree has.
        return {"model.channels": "...", "model.feature_degree": max(degree for _, degree in _irreps(value))}
    return {"model.channels": channels, "model.feature_degree": degree}


def _irreps_manual(value: Any) -> Entries:
    """Translate the irreps of all layers of SevenNet; the widest are those between the layers."""
    parts = max((_irreps(irreps) for irreps in _parsed(value)), key=len)
    if [degree for _, degree in parts] != list(range(len(parts))):
        raise ValueError("expected one entry for each degree")
    channels = [number for number, _ in parts]
    return {"model.channels": channels[0] if len(set(channels)) == 1 else channels, "model.degree": len(parts) - 1}


def _first_interaction(value: Any) -> Entries:
    form, normalization = MACE_INTERACTIONS[str(value)]
    return {"model.first_interaction": form, "model.normalization": normalization}


def _reference_energies(value: Any) -> Entries:
    if str(value).lower() == "average":
        return {"data.reference_energies": "least-squares"}
    if str(value).lower() == "isolated":
        return {"data.reference_energies": "isolated-atoms"}
    numbers = _parsed(value)
    if not isinstance(numbers, dict):
        raise ValueError("no energies")
    return {"data.reference_energies": {chemical_symbols[int(number)]: energy for number, energy in numbers.items()}}


def _schedule(value: Any) -> Entries:
    names = {"reducelronplateau": "plateau", "cosineannealinglr": "cosine"}
    return {"train.schedule": {"name": names[str(value).lower()]}} if str(value).lower() in names else {}


def _second_stage(value: Any) -> Entries:
    """Return a second stage with the default weights of mace-torch's."""
    if not _is_given(value):
        return {"train.second_stage": None}
    weights = {"energy": {"weight": 1000}, "forces": {"weight": 100}}
    return {"train.second_stage": {"start": 0.75, "loss": weights}}


def _elements(value: Any) -> Any:
    """Return elements given as atomic numbers, as symbols, or as `auto`."""
    if str(value).lower() == "auto":
        return "auto"
    return [chemical_symbols[each] if isinstance(each, int) else str(each) for each in _parsed(value)]


def _squared_or_auto(value: Any) -> Any:
    """Return the square of a number: our sums are divided by the root of the number of neighbors."""
    return "auto" if isinstance(value, str) else float(value) ** 2


def _scale(value: Any) -> Any:
    return 1.0 if value == "no_scaling" else "auto"


def _is_given(value: Any) -> bool:
    return value not in (None, False, "None")


def _renamed(programs: str, *paths: str) -> ForeignKey:
    return ForeignKey(programs, paths)


def _converted(programs: str, path: str, convert: Callable[[Any], Any]) -> ForeignKey:
    return ForeignKey(programs, (path,), lambda value: {path: convert(value)})


def _absent(programs: str, note: str) -> ForeignKey:
    return ForeignKey(programs, note=note)


def _precision(value: Any) -> str:
    name = {"single": "float32", "double": "float64"}.get(str(value), str(value))
    if name not in ("float32", "float64"):
        raise ValueError("unknown precision")
    return name


_RADIAL_MLP = "write model.radial_mlp, a list with the width of each layer"
_SCHEDULES = "write train.schedule: {name: constant}, {name: plateau} or {name: cosine}"
_FOUNDATION_MODEL = "write start_from: FILE, a model file of MACE or one that `potentials import` wrote"
_SELF_CONNECTIONS = {"nequip": "all layers", "linear": "linear", "none": False}
_DEVICES = {"cpu": "cpu", "cuda": "gpu", "auto": "auto"}

_MODEL_KEYS = {
    "r_max": _renamed(f"{MACE} and {NEQUIP}", "model.cutoff"),
    "cutoff_radius": _renamed(NEQUIP, "model.cutoff"),
    "max_ell": _renamed(MACE, "model.edge_degree", "model.degree"),
    "l_max": _renamed(NEQUIP, "model.degree", "model.edge_degree"),
    "lmax": _renamed(SEVENNET, "model.degree", "model.edge_degree"),
    "max_L": _renamed(MACE, "model.feature_degree"),
    "hidden_irreps": ForeignKey(MACE, ("model.channels", "model.feature_degree"), _hidden_irreps),
    "num_channels": _renamed(MACE, "model.channels"),
    "num_features": _renamed(NEQUIP, "model.channels"),
    "channel": _renamed(SEVENNET, "model.channels"),
    "num_interactions": _renamed(MACE, "model.layers"),
    "num_layers": _renamed(NEQUIP, "model.layers"),
    "num_convolution_layer": _renamed(SEVENNET, "model.layers"),
    "is_parity": _converted(SEVENNET, "model.parity", lambda value: True if _parsed(value) is True else "ignored"),
    "irreps_manual": ForeignKey(SEVENNET, ("model.channels", "model.degree"), _irreps_manual),
    "self_connection_type": _converted(SEVENNET, "model.self_connection", lambda value: _SELF_CONNECTIONS[value]),
    "use_bias_in_linear": _renamed(SEVENNET, "model.bias"),
    "num_radial_basis": _renamed(MACE, "model.radial.size"),
    "num_bessels": _renamed(NEQUIP, "model.radial.size"),
    "bessel_basis_num": _renamed(SEVENNET, "model.radial.size"),
    "num_cutoff_basis": _renamed(MACE, "model.radial.envelope_power"),
    "polynomial_cutoff_p": _renamed(NEQUIP, "model.radial.envelope_power"),
    "poly_cut_p_value": _renamed(SEVENNET, "model.radial.envelope_power"),
    "bessel_trainable": _renamed(NEQUIP, "model.radial.trainable"),
    "radial_type": _renamed(MACE, "model.radial.basis"),
    "radial_MLP": _converted(MACE, "model.radial_mlp", _parsed),
    "weight_nn_hidden_neurons": _renamed(SEVENNET, "model.radial_mlp"),
    "radial_mlp_depth": _absent(NEQUIP, _RADIAL_MLP),
    "radial_mlp_width": _absent(NEQUIP, _RADIAL_MLP),
    "MLP_irreps": _converted(MACE, "model.readout_channels", lambda value: natural_irreps(value)[0]),
    "interaction_first": ForeignKey(MACE, ("model.first_interaction",), _first_interaction),
    "avg_num_neighbors": _renamed(f"{MACE} and {NEQUIP}", "model.average_neighbors"),
    "conv_denominator": _converted(SEVENNET, "model.average_neighbors", _squared_or_auto),
    "pair_repulsion": _converted(MACE, "model.zbl", _is_given),
    "pair_potential": _converted(NEQUIP, "model.zbl", _is_given),
    "atomic_numbers": _converted(MACE, "model.elements", _elements),
    "type_names": _renamed(NEQUIP, "model.elements"),
    "model_type_names": _renamed(NEQUIP, "model.elements"),
    "chemical_species": _converted(f"{NEQUIP} and {SEVENNET}", "model.elements", _elements),
    "per_type_energy_scales": _renamed(NEQUIP, "model.scale"),
    "per_type_energy_shifts": _renamed(NEQUIP, "model.shift"),
    "scaling": _converted(MACE, "model.scale", _scale),
}
_DATA_KEYS = {
    "train_file": _renamed(MACE, "data.train"),
    "valid_file": _renamed(MACE, "data.validation"),
    "test_file": _renamed(MACE, "data.test"),
    "valid_fraction": _renamed(MACE, "data.validation"),
    "train_file_path": _renamed(NEQUIP, "data.train"),
    "val_file_path": _renamed(NEQUIP, "data.validation"),
    "test_file_path": _renamed(NEQUIP, "data.test"),
    "load_dataset_path": _renamed(SEVENNET, "data.train"),
    "load_trainset_path": _renamed(SEVENNET, "data.train"),
    "load_validset_path": _renamed(SEVENNET, "data.validation"),
    "load_testset_path": _renamed(SEVENNET, "data.test"),
    "data_divide_ratio": _renamed(SEVENNET, "data.validation"),
    "E0s": ForeignKey(MACE, ("data.reference_energies",), _reference_energies),
    "energy_key": _renamed(MACE, "data.energy.key"),
    "forces_key": _renamed(MACE, "data.forces.key"),
    "stress_key": _renamed(MACE, "data.stress.key"),
    "virials_key": _renamed(MACE, "data.virial.key"),
    "valid_batch_size": _renamed(MACE, "data.evaluation_batch_size"),
    "num_workers": _renamed(MACE, "data.workers"),
    "config_type_weights": _converted(MACE, "data.weights.groups", _parsed),
}
_TRAIN_KEYS = {
    "name": _renamed(MACE, "run"),
    "random_seed": _renamed(SEVENNET, "seed"),
    "lr": _renamed(f"{MACE}, {NEQUIP} and {SEVENNET}", "train.optimizer.learning_rate"),
    "max_num_epochs": _renamed(MACE, "train.max_epochs"),
    "epoch": _renamed(SEVENNET, "train.max_epochs"),
    "ema_decay": _renamed(MACE, "train.ema.decay"),
    "clip_grad": _renamed(MACE, "train.gradient_clip"),
    "scheduler": ForeignKey(f"{MACE} and {SEVENNET}", ("train.schedule",), _schedule, _SCHEDULES),
    "lr_factor": _renamed(MACE, "train.schedule.factor"),
    "scheduler_patience": _renamed(MACE, "train.schedule.patience"),
    "swa": ForeignKey(MACE, ("train.second_stage",), _second_stage),
    "stage_two": ForeignKey(MACE, ("train.second_stage",), _second_stage),
    "start_swa": _renamed(MACE, "train.second_stage.start"),
    "start_stage_two": _renamed(MACE, "train.second_stage.start"),
    "swa_lr": _renamed(MACE, "train.second_stage.learning_rate"),
    "stage_two_lr": _renamed(MACE, "train.second_stage.learning_rate"),
    "eval_interval": _renamed(MACE, "train.validate_every"),
    "per_epoch": _renamed(SEVENNET, "train.validate_every"),
    "default_dtype": _converted(MACE, "train.precision", _precision),
    "model_dtype": _converted(NEQUIP, "train.precision", _precision),
    "dtype": _converted(SEVENNET, "train.precision", _precision),
    "device": _converted(f"{MACE} and {SEVENNET}", "train.accelerator", lambda value: _DEVICES[str(value)]),
    "wandb_project": _renamed(MACE, "logging.wandb.project"),
    "wandb_entity": _renamed(MACE, "logging.wandb.entity"),
    "restart_latest": _absent(MACE, "not needed; the same command continues an interrupted run"),
    "foundation_model": _absent(MACE, _FOUNDATION_MODEL),
}
_LOSS_KEYS = {
    f"{prefix}{quantity}_weight": _renamed(MACE, f"{section}.{ours}.weight")
    for prefix, section in (
        ("", "loss"),
        ("swa_", "train.second_stage.loss"),
        ("stage_two_", "train.second_stage.loss"),
    )
    for quantity, ours in (("energy", "energy"), ("forces", "forces"), ("stress", "stress"), ("virials", "stress"))
} | {
    "force_loss_weight": _renamed(SEVENNET, "loss.forces.weight"),
    "stress_loss_weight": _renamed(SEVENNET, "loss.stress.weight"),
}
FOREIGN_KEYS: dict[str, ForeignKey] = _MODEL_KEYS | _DATA_KEYS | _TRAIN_KEYS | _LOSS_KEYS
"""Keys of other programs by name; keys that exist here under the same name are not listed."""
