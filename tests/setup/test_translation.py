"""Configurations of mace-torch, nequip and allegro become configurations of ours."""

from pathlib import Path

import pytest
import yaml

import potentials.models  # noqa: F401  (registers the families)
from potentials.config import parse_config
from potentials.errors import ConfigError
from potentials.setup.translation import translate_mace, translate_nequip

NEQUIP = """
run: [train, test]
cutoff_radius: 4.5
chemical_symbols: [C, H]
model_type_names: ${chemical_symbols}
data:
  _target_: nequip.data.datamodule.ASEDataModule
  seed: 456
  split_dataset: {file_path: md.xyz, train: 0.7, val: 0.2, test: 0.1}
  transforms:
    - {_target_: nequip.data.transforms.NeighborListTransform, r_max: "${cutoff_radius}"}
  train_dataloader: {_target_: torch.utils.data.DataLoader, batch_size: 3, num_workers: 2, shuffle: true}
  val_dataloader:
    _target_: torch.utils.data.DataLoader
    batch_size: 7
    num_workers: ${data.train_dataloader.num_workers}
trainer:
  _target_: lightning.Trainer
  accelerator: gpu
  max_epochs: 90
  max_time: 00:01:30:00
  check_val_every_n_epoch: 2
  limit_train_batches: 5
  callbacks:
    - {_target_: lightning.pytorch.callbacks.EarlyStopping, patience: 20, min_delta: 0.001}
training_module:
  _target_: nequip.train.EMALightningModule
  ema_decay: 0.999
  loss:
    _target_: nequip.train.EnergyForceStressLoss
    per_atom_energy: true
    coeffs: {total_energy: 1.0, forces: 2.0, stress: 3.0}
  val_metrics: {_target_: nequip.train.EnergyForceMetrics, coeffs: {total_energy_mae: 1.0}}
  optimizer: {_target_: torch.optim.AdamW, lr: 0.02, amsgrad: true}
  lr_scheduler:
    scheduler: {_target_: torch.optim.lr_scheduler.ReduceLROnPlateau, factor: 0.6, patience: 5, min_lr: 0.00001}
    monitor: val0_epoch/weighted_sum
  model:
    _target_: nequip.model.NequIPGNNModel
    seed: 7
    model_dtype: float64
    type_names: ${model_type_names}
    r_max: ${cutoff_radius}
    num_layers: 4
    l_max: 1
    parity: false
    num_features: 16
    num_bessels: 9
    polynomial_cutoff_p: 7
    radial_mlp_depth: 3
    radial_mlp_width: 24
    avg_num_neighbors: ${training_data_stats:num_neighbors_mean}
    per_type_energy_scales: 1.25
    per_type_energy_shifts: {C: -1.5, H: -2.5}
    pair_potential: {_target_: nequip.nn.pair_potential.ZBL, units: metal}
    convnet_nonlinearity_type: gate
"""
ALLEGRO = """
    _target_: allegro.model.AllegroModel
    r_max: 5.0
    l_max: 2
    num_layers: 1
    num_scalar_features: 48
    num_tensor_features: 12
    allegro_mlp_hidden_layers_depth: 2
    allegro_mlp_hidden_layers_width: 40
    readout_mlp_hidden_layers_depth: 1
    readout_mlp_hidden_layers_width: 20
    scalar_embed_mlp_hidden_layers_depth: 1
    scalar_embed_mlp_hidden_layers_width: 24
    radial_chemical_embed_dim: 32
    radial_chemical_embed:
      {_target_: allegro.nn.TwoBodyBesselScalarEmbed, num_bessels: 6, bessel_trainable: true, polynomial_cutoff_p: 7}
"""


def of_mace(arguments, files=()):
    text = translate_mace(arguments, files)
    return parse_config(text), text


class TestMACE:
    def test_given_arguments(self):
        config, text = of_mace(
            '--name=water --train_file=a.xyz --valid_fraction=0.05 --E0s="{1: -13.6, 8: -432.1}" '
            "--model ScaleShiftMACE "
            '--hidden_irreps="64x0e + 64x1o + 64x2e" --r_max=6.0 --batch_size=4 --max_num_epochs=200 --start_swa=150 '
            '--swa_lr=0.002 --ema --loss=huber --huber_delta=0.02 --default_dtype=float32 --radial_MLP="[32, 16]" '
            "--pair_repulsion --distance_transform=Agnesi --interaction=RealAgnosticInteractionBlock "
            "--config_type_weights='{\"liquid\": 2.0}' --stress_key=my_stress --clip_grad=5 --seed=7"
        )
        model, train = config.model, config.train
        assert (config.run, config.seed, config.data.train, config.data.validation) == ("water", 7, "a.xyz", 0.05)
        assert config.data.reference_energies == {"H": -13.6, "O": -432.1}
        assert (model.name, model.channels, model.feature_degree, model.cutoff) == ("mace", 64, 2, 6.0)
        assert (model.radial_mlp, model.interaction, model.first_interaction) == ([32, 16], "non-residual", "residual")
        assert (model.zbl is not None, model.radial.distance_transform) == (True, "agnesi")
        assert (config.data.batch_size, train.max_epochs, train.precision, train.gradient_clip) == (
            4,
            200,
            "float32",
            5,
        )
        assert (train.ema.decay, train.second_stage.start, train.second_stage.learning_rate) == (0.99, 150, 0.002)
        assert train.second_stage.loss.energy.weight == 1000
        assert train.second_stage.loss.stress.weight == 10
        assert {config.loss.energy.function, config.loss.forces.function, config.loss.stress.function} == {"huber"}
        assert config.loss.forces.huber_delta == 0.02
        assert config.data.stress.key == "my_stress"
        assert config.data.weights.groups == {"liquid": 2.0}
        assert "Not translated" not in text

    def test_defaults_of_mace_torch(self):
        config, _ = of_mace("--train_file=a.xyz")
        model, train = config.model, config.train
        assert (model.channels, model.feature_degree, model.edge_degree, model.correlation, model.layers) == (
            128,
            1,
            3,
            3,
            2,
        )
        assert (model.cutoff, model.radial.size, model.radial.envelope_power, model.radial_mlp) == (
            5.0,
            8,
            5,
            [64, 64, 64],
        )
        # The model MACE has no shift, and its first interaction is not residual.
        assert (model.shift, model.first_interaction, model.interaction) == (0.0, "non-residual", "residual")
        assert (train.max_epochs, train.precision, train.ema, train.second_stage) == (2048, "float64", None, None)
        assert (train.optimizer.amsgrad, train.optimizer.weight_decay) == (True, 5e-7)
        assert (train.schedule.name, train.schedule.factor, train.schedule.patience) == ("plateau", 0.8, 50)
        assert (config.loss.energy.weight, config.loss.forces.weight, config.loss.stress.weight) == (1, 100, 0)
        assert (config.data.energy.key, config.data.forces.key, config.data.stress) == (
            "REF_energy",
            "REF_forces",
            None,
        )

    @pytest.mark.parametrize(
        ("arguments", "channels", "degree"),
        [
            ("--num_channels=32", 32, 1),
            ("--max_L=2", 128, 2),
            ("--num_channels=32 --max_L=0", 32, 0),
            ('--hidden_irreps="16x0e"', 16, 0),
            ('--hidden_irreps="16x0e+16x1o" --num_channels=32 --max_L=0', 32, 0),
        ],
    )
    def test_channels(self, arguments, channels, degree):
        config, _ = of_mace(f"--train_file=a.xyz {arguments}")
        assert (config.model.channels, config.model.feature_degree) == (channels, degree)

    def test_density_normalization(self):
        config, _ = of_mace(
            "--train_file=a.xyz --interaction=RealAgnosticDensityResidualInteractionBlock "
            "--interaction_first=RealAgnosticDensityInteractionBlock"
        )
        assert (config.model.normalization, config.model.first_interaction) == ("density", "non-residual")
        assert config.model.interaction == "residual"

    def test_virials_have_the_sign_of_mace_torch(self):
        config, _ = of_mace("--train_file=a.xyz --loss=virials --virials_weight=5")
        assert (config.data.virial.key, config.data.virial.sign) == ("REF_virials", "compression-positive")
        assert config.loss.stress.weight == 5

    def test_a_file_and_arguments_besides(self, tmp_path):
        path = tmp_path / "mace.yaml"
        path.write_text(yaml.safe_dump({"train_file": "a.xyz", "valid_file": "b.xyz", "r_max": 4.0, "stage_two": True}))
        config, _ = of_mace(str(path))
        assert (config.data.train, config.data.validation, config.model.cutoff) == ("a.xyz", "b.xyz", 4.0)
        assert config.train.second_stage.start == 0.75
        config, _ = of_mace(f"--config={path} --r_max=3.5", ["x.xyz", "y.xyz"])
        assert (config.model.cutoff, config.data.train) == (3.5, ["x.xyz", "y.xyz"])

    def test_what_has_no_counterpart_is_a_comment(self):
        _, text = of_mace("--train_file=a.xyz --error_table=PerAtomMAE --restart_latest")
        assert "# Not translated:\n#   error_table: PerAtomMAE\n#   restart_latest: true\n" in text

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ("--r_max=5", "no training files"),
            ("r_max=5", "expected arguments of mace_run_train, such as --r_max=5.0, or a YAML file; got r_max=5"),
            ("--train_file='a", "No closing quotation"),
            ("--train_file=a.xyz --model=PolarMACE", "expected MACE or ScaleShiftMACE, got PolarMACE"),
            ("--train_file=a.xyz --loss=dipole", "got dipole, which has no counterpart"),
            ("--train_file=a.xyz --scheduler=ExponentialLR", "expected ReduceLROnPlateau, got ExponentialLR"),
            ("--train_file=a.xyz --hidden_irreps=8x0e+4x1o", "expected equal channels"),
            ("--train_file=a.xyz --E0s=e0s.json", "E0s of mace_run_train: 'e0s.json' has no counterpart"),
            ("--train_file=a.xyz --device=mps", "device of mace_run_train: 'mps' has no counterpart"),
            ("--train_file=a.xyz --r_max=-1", "model.cutoff: expected"),
            (
                "--train_file=a.xyz --interaction=RealAgnosticResidualNonLinearInteractionBlock",
                "got RealAgnosticResidualNonLinearInteractionBlock, which has no counterpart",
            ),
            (
                "--train_file=a.xyz --interaction=RealAgnosticDensityResidualInteractionBlock",
                "expected all layers normalized alike",
            ),
            ("--train_file=a.xyz --hidden_irreps=8x0e+8x1e", "expected equal channels"),
            ("missing.yaml", "missing.yaml cannot be read"),
        ],
    )
    def test_bad_input(self, arguments, message):
        with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
            translate_mace(arguments)


class TestNequIP:
    def translated(self, folder, text, files=()):
        path = Path(folder) / "water.yaml"
        path.write_text(text)
        found = translate_nequip(path, files)
        return parse_config(found), found

    def test_nequip(self, tmp_path):
        config, text = self.translated(tmp_path, NEQUIP)
        model, data, train = config.model, config.data, config.train
        assert (config.run, config.seed, data.split_seed) == ("water", 7, 456)
        assert (data.train, data.validation, data.test) == ("md.xyz", 0.2, 0.1)
        assert (data.batch_size, data.evaluation_batch_size, data.workers) == (3, 7, 2)
        assert data.reference_energies == {"C": -1.5, "H": -2.5}
        assert (model.name, model.cutoff, model.elements, model.layers) == ("nequip", 4.5, ["C", "H"], 4)
        assert (model.degree, model.parity, model.channels, model.radial_mlp) == (1, False, 16, [24, 24, 24])
        assert (model.radial.size, model.radial.envelope_power, model.average_neighbors) == (9, 7, "auto")
        assert (model.scale, model.shift, model.zbl.range) == (1.25, 0.0, "cutoff")
        assert (config.loss.energy.weight, config.loss.forces.weight, config.loss.stress.weight) == (1, 2, 3)
        assert data.stress.key == "stress"
        assert (train.max_epochs, train.max_time.total_seconds(), train.validate_every) == (90, 5400, 2)
        assert (train.optimizer.name, train.optimizer.learning_rate, train.optimizer.amsgrad) == ("adamw", 0.02, True)
        assert (train.schedule.factor, train.schedule.patience, train.schedule.minimum) == (0.6, 5, 1e-5)
        assert (train.ema.decay, train.early_stopping.patience, train.early_stopping.minimum_improvement) == (
            0.999,
            20,
            0.001,
        )
        assert (train.accelerator, train.precision) == ("gpu", "float64")
        comments = [line for line in text.splitlines() if line.startswith("#   ")]
        assert comments == [
            "#   trainer.limit_train_batches: 5",
            "#   training_module.model.convnet_nonlinearity_type: gate",
        ]

    def test_allegro(self, tmp_path):
        head = NEQUIP[: NEQUIP.index("    _target_: nequip.model")]
        config, _ = self.translated(tmp_path, head.rstrip() + ALLEGRO, ["other.xyz"])
        model = config.model
        assert config.data.train == "other.xyz"
        assert (model.name, model.channels, model.scalar_channels, model.layers, model.degree) == (
            "allegro",
            12,
            48,
            1,
            2,
        )
        assert (model.latent_mlp, model.readout_mlp, model.radial.size) == ([40, 40], [20], 6)
        assert (model.scalars, model.embedding_channels, model.embedding_mlp) == ("dense", 32, [24])
        assert (model.radial.trainable, model.radial.envelope_power) == (True, 7)

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("nequip.model.NequIPGNNModel", "my.Model", "expected NequIPGNNModel or AllegroModel; got my.Model"),
            ("{file_path: md.xyz,", "{", "no training files"),
            ("torch.optim.AdamW", "torch.optim.SGD", "got SGD, which has no counterpart"),
            ("ReduceLROnPlateau", "StepLR", "got StepLR, which has no counterpart"),
            ("00:01:30:00", "1h", "expected DD:HH:MM:SS, got 1h"),
            ("${chemical_symbols}", "${model_type_names}", "refer to each other"),
            ("num_features: 16", "num_features: many", "model.channels: expected"),
            ("run: [", "run: ]", "is not YAML"),
            ("run: [train, test]", "run: &itself [*itself]", "is not YAML: Circular reference"),
        ],
    )
    def test_bad_input(self, tmp_path, old, new, message):
        assert old in NEQUIP
        with pytest.raises(ConfigError, match=message):
            self.translated(tmp_path, NEQUIP.replace(old, new))


def test_the_command_writes_a_configuration(tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from potentials.cli.main import app

    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        return CliRunner().invoke(app, ["init", *arguments])

    done = run("builtin:ethanol", "--from-mace", "--r_max=4.0", "-o", "a.yaml")
    assert done.exit_code == 0, done.stderr
    assert parse_config(Path("a.yaml").read_text()).data.train == "builtin:ethanol"
    Path("b.yaml").write_text(NEQUIP)
    assert "name: nequip" in run("--from-nequip", "b.yaml").stdout
    for arguments, message in {
        (): "expected DATA, --from-mace or --from-nequip",
        ("--from-mace", "--r_max=4", "--from-nequip", "b.yaml"): "exclude each other",
        ("--from-nequip", "b.yaml", "--model", "mace"): "determines the family",
    }.items():
        done = run(*arguments)
        assert done.exit_code == 2
        assert message in done.stderr
