"""Keys of MACE, NequIP and SevenNet: each message names keys of ours, and what it proposes is a valid configuration."""

import re

import pytest

import potentials.models  # noqa: F401  (registers the families)
from potentials.config import parse_config
from potentials.config.messages.foreign_keys import FOREIGN_KEYS
from potentials.errors import ConfigError

# key -> section, value as a user writes it, and what the message must propose
SECOND_STAGE = "train.second_stage: {start: 0.75, loss: {energy: {weight: 1000}, forces: {weight: 100}}}"
MODEL = {
    "mace": {
        "r_max": ("5.0", "model.cutoff: 5.0"),
        "max_ell": ("3", "model.edge_degree: 3"),
        "max_L": ("1", "model.feature_degree: 1"),
        "hidden_irreps": ("128x0e + 128x1o", "model.channels: 128 and model.feature_degree: 1"),
        "num_channels": ("64", "model.channels: 64"),
        "num_interactions": ("2", "model.layers: 2"),
        "num_radial_basis": ("8", "model.radial.size: 8"),
        "num_cutoff_basis": ("5", "model.radial.envelope_power: 5"),
        "radial_type": ("bessel", "model.radial.basis: bessel"),
        "radial_MLP": ('"[64, 64]"', "model.radial_mlp: [64, 64]"),
        "MLP_irreps": ("16x0e", "model.readout_channels: 16"),
        "interaction_first": (
            "RealAgnosticDensityInteractionBlock",
            "model.first_interaction: non-residual and model.normalization: density",
        ),
        "avg_num_neighbors": ("12.5", "model.average_neighbors: 12.5"),
        "pair_repulsion": ("true", "model.zbl: true"),
        "atomic_numbers": ('"[1, 8]"', "model.elements: [H, O]"),
        "scaling": ("rms_forces_scaling", "model.scale: auto"),
    },
    "nequip": {
        "cutoff_radius": ("5.0", "model.cutoff: 5.0"),
        "l_max": ("2", "model.degree: 2"),
        "lmax": ("2", "model.degree: 2"),
        "num_features": ("32", "model.channels: 32"),
        "channel": ("32", "model.channels: 32"),
        "num_layers": ("4", "model.layers: 4"),
        "num_convolution_layer": ("4", "model.layers: 4"),
        "is_parity": ("false", "model.parity: ignored"),
        "irreps_manual": ("['8x0e', '8x0e+4x1e', '8x0e']", "model.channels: [8, 4] and model.degree: 1"),
        "self_connection_type": ("linear", "model.self_connection: linear"),
        "use_bias_in_linear": ("true", "model.bias: true"),
        "num_bessels": ("8", "model.radial.size: 8"),
        "bessel_basis_num": ("8", "model.radial.size: 8"),
        "polynomial_cutoff_p": ("6", "model.radial.envelope_power: 6"),
        "poly_cut_p_value": ("6", "model.radial.envelope_power: 6"),
        "bessel_trainable": ("true", "model.radial.trainable: true"),
        "weight_nn_hidden_neurons": ("[64, 64]", "model.radial_mlp: [64, 64]"),
        "conv_denominator": ("avg_num_neigh", "model.average_neighbors: auto"),
        "pair_potential": ("{_target_: ZBL}", "model.zbl: true"),
        "type_names": ("[H, O]", "model.elements: [H, O]"),
        "model_type_names": ("[H, O]", "model.elements: [H, O]"),
        "chemical_species": ("auto", "model.elements: auto"),
        "per_type_energy_scales": ("1.5", "model.scale: 1.5"),
        "per_type_energy_shifts": ("0.5", "model.shift: 0.5"),
    },
}
OTHERS = {
    "data": {
        "train_file": ("a.xyz", "data.train: a.xyz"),
        "valid_file": ("b.xyz", "data.validation: b.xyz"),
        "test_file": ("c.xyz", "data.test: c.xyz"),
        "valid_fraction": ("0.05", "data.validation: 0.05"),
        "train_file_path": ("a.xyz", "data.train: a.xyz"),
        "val_file_path": ("b.xyz", "data.validation: b.xyz"),
        "test_file_path": ("c.xyz", "data.test: c.xyz"),
        "load_dataset_path": ("[a.xyz]", "data.train: [a.xyz]"),
        "load_trainset_path": ("[a.xyz]", "data.train: [a.xyz]"),
        "load_validset_path": ("[b.xyz]", "data.validation: [b.xyz]"),
        "load_testset_path": ("[c.xyz]", "data.test: [c.xyz]"),
        "data_divide_ratio": ("0.1", "data.validation: 0.1"),
        "E0s": ('"{1: -13.6, 8: -432.1}"', "data.reference_energies: {H: -13.6, O: -432.1}"),
        "energy_key": ("REF_energy", "data.energy.key: REF_energy"),
        "forces_key": ("REF_forces", "data.forces.key: REF_forces"),
        "stress_key": ("REF_stress", "data.stress.key: REF_stress"),
        "virials_key": ("REF_virials", "data.virial.key: REF_virials"),
        "valid_batch_size": ("10", "data.evaluation_batch_size: 10"),
        "num_workers": ("2", "data.workers: 2"),
        "config_type_weights": ('"{Default: 1.0, liquid: 2.0}"', "data.weights.groups: {Default: 1.0, liquid: 2.0}"),
    },
    "train": {
        "name": ("water", "run: water"),
        "random_seed": ("3", "seed: 3"),
        "lr": ("0.01", "train.optimizer.learning_rate: 0.01"),
        "max_num_epochs": ("100", "train.max_epochs: 100"),
        "epoch": ("100", "train.max_epochs: 100"),
        "ema_decay": ("0.99", "train.ema.decay: 0.99"),
        "clip_grad": ("10", "train.gradient_clip: 10"),
        "scheduler": ("ReduceLROnPlateau", "train.schedule: {name: plateau}"),
        "lr_factor": ("0.8", "train.schedule.factor: 0.8"),
        "scheduler_patience": ("50", "train.schedule.patience: 50"),
        "swa": ("true", SECOND_STAGE),
        "stage_two": ("true", SECOND_STAGE),
        "start_swa": ("75", "train.second_stage.start: 75"),
        "start_stage_two": ("75", "train.second_stage.start: 75"),
        "swa_lr": ("0.001", "train.second_stage.learning_rate: 0.001"),
        "stage_two_lr": ("0.001", "train.second_stage.learning_rate: 0.001"),
        "eval_interval": ("2", "train.validate_every: 2"),
        "per_epoch": ("2", "train.validate_every: 2"),
        "default_dtype": ("float64", "train.precision: float64"),
        "model_dtype": ("float32", "train.precision: float32"),
        "dtype": ("single", "train.precision: float32"),
        "device": ("cuda", "train.accelerator: gpu"),
        "wandb_project": ("water", "logging.wandb.project: water"),
        "wandb_entity": ("us", "logging.wandb.entity: us"),
    },
    "loss": {
        f"{prefix}{quantity}_weight": ("10.0", f"{section}.{ours}.weight: 10.0")
        for prefix, section in (
            ("", "loss"),
            ("swa_", "train.second_stage.loss"),
            ("stage_two_", "train.second_stage.loss"),
        )
        for quantity, ours in (("energy", "energy"), ("forces", "forces"), ("stress", "stress"), ("virials", "stress"))
    }
    | {
        "force_loss_weight": ("1.0", "loss.forces.weight: 1.0"),
        "stress_loss_weight": ("0.01", "loss.stress.weight: 0.01"),
    },
}
CASES = [("model", family, key, *case) for family, keys in MODEL.items() for key, case in keys.items()] + [
    (section, "mace", key, *case) for section, keys in OTHERS.items() for key, case in keys.items()
]
NEEDED = {
    "train.schedule.": "train.schedule={name: plateau}",
    "train.second_stage.": "train.second_stage={loss: {energy: {weight: 1000}}}",
    "loss.stress.": "data.stress=stress",
    "train.second_stage.loss.stress.": "data.stress=stress",
    "data.virial.": "data.virial={key: virial, sign: tension-positive}",
}
"""What entries need besides; a message of its own asks for each."""
ABSENT = {
    "radial_mlp_depth": ("model", "2", "write model.radial_mlp"),
    "radial_mlp_width": ("model", "64", "write model.radial_mlp"),
    "restart_latest": ("train", "true", "the same command continues"),
    "foundation_model": ("train", "small", "write start_from: FILE"),
}


def text_of(family, section="", addition=""):
    """A valid configuration, with a line added to a section."""
    sections = {"data": ["train: x.xyz"], "model": [f"name: {family}"], "train": [], "loss": []}
    sections.get(section, []).append(addition)
    lines = ["run: a"]
    for name, content in sections.items():
        if any(content):
            lines += [f"{name}:", *(f"  {line}" for line in content if line)]
    return "\n".join(lines)


def problems(text, overrides=()):
    try:
        parse_config(text, "c.yaml", overrides)
    except ConfigError as error:
        return [problem.message for problem in error.problems]
    return []


def test_every_key_is_tested():
    assert {case[2] for case in CASES} | set(ABSENT) == set(FOREIGN_KEYS)
    assert problems(text_of("mace")) == problems(text_of("nequip")) == []


@pytest.mark.parametrize(("section", "family", "key", "value", "proposal"), CASES)
def test_the_message_proposes_valid_entries(section, family, key, value, proposal):
    (message,) = problems(text_of(family, section, f"{key}: {value}"))
    assert message == f"unknown key; for {key} of {FOREIGN_KEYS[key].programs}, write {proposal}"
    overrides = [entry.replace(": ", "=", 1) for entry in re.split(r" and (?=\w+\.)", proposal)]
    overrides = [entry for start, entry in NEEDED.items() if proposal.startswith(start)] + overrides
    assert problems(text_of(family), overrides) == []


@pytest.mark.parametrize("key", ABSENT)
def test_keys_without_counterpart(key):
    section, value, message = ABSENT[key]
    (found,) = problems(text_of("nequip", section, f"{key}: {value}"))
    assert found.startswith(f"unknown key; {key} of ")
    assert message in found


@pytest.mark.parametrize(
    ("family", "line", "message"),
    [
        (
            "mace",
            "interaction_first: RealAgnosticResidualInteractionBlock",
            "write model.first_interaction: residual and model.normalization: average-neighbors",
        ),
        ("ponita", "max_ell: 3", "the family has no counterpart of max_ell of MACE; its keys are name, cutoff"),
        ("nequip", "hidden_irreps: 64x0e", "the family has no counterpart of hidden_irreps of MACE"),
        ("mace", "hidden_irreps: 128x0e+64x1o", "write model.channels: ... and model.feature_degree: 1"),
        ("mace", "hidden_irreps: many", "write model.channels: ... and model.feature_degree: ..."),
        ("mace", "l_max: 2", "for l_max of NequIP, write model.edge_degree: 2"),
        ("nequip", "max_ell: 2", "for max_ell of MACE, write model.degree: 2"),
        ("mace", "interaction_first: Other", "write model.first_interaction: ..."),
    ],
)
def test_families_and_values_that_do_not_fit(family, line, message):
    (found,) = problems(text_of(family, "model", line))
    assert message in found


def test_keys_at_the_top():
    assert problems(text_of("mace") + "\nr_max: 6.0") == [
        "unknown key; for r_max of MACE and NequIP, write model.cutoff: 6.0"
    ]
