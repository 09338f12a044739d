"""Generate model files of other programs, as they write them, for tests of `potentials import`.

    <environment with mace-torch>/bin/python scripts/make_foreign_files.py mace   --output tests/interop/model_files
    <environment with nequip>/bin/python     scripts/make_foreign_files.py nequip --output tests/interop/model_files
    <environment with nequip>/bin/python     scripts/make_foreign_files.py allegro --output tests/interop/model_files
    <environment with sevenn>/bin/python     scripts/make_foreign_files.py sevenn --output tests/interop/model_files

Models of mace-torch are random and saved as whole models (`NAME.model`). Models of nequip and
nequip-allegro are trained for two epochs by `nequip-train`, and its checkpoints are kept (`NAME.ckpt`), of some the
packages of `nequip-package` (`NAME.zip`). Models of SevenNet are random (`NAME.pth`). Beside each file
is a fixture `NAME.npz` like those of `make_oracles.py`, with the results of each head and without a state.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from unittest import mock

import ase
import ase.data
import numpy as np
import torch
from make_oracles import (
    CUTOFF,
    DENSITY,
    DENSITY_RESIDUAL,
    HCO,
    NON_RESIDUAL,
    OC,
    SEED,
    Arrays,
    Hyperparameters,
    Prediction,
    mace_model,
    mace_predict,
    nequip_predict,
    randomize,
    structure_arrays,
    structures,
    versions,
)

MACE_FILES: dict[str, dict[str, Any]] = {
    "mace-heads": {"max_L": 1, "correlation": 2, "heads": ["pbe", "r2scan"], "MLP_irreps": "5x0e"},
    "mace-heads-layers1": {
        "max_L": 0, "correlation": 2, "num_interactions": 1, "heads": ["pbe", "r2scan", "hf"], "atomic_numbers": OC
    },
    "mace-agnesi-zbl": {
        "max_L": 1, "correlation": 2, "interaction_cls_first": DENSITY, "interaction_cls": DENSITY_RESIDUAL,
        "distance_transform": "Agnesi", "pair_repulsion": True, "num_polynomial_cutoff": 6,
    },
    "mace-float32": {"max_L": 0, "correlation": 3, "interaction_cls_first": NON_RESIDUAL},
}  # fmt: skip
NEQUIP_FILES: dict[str, dict[str, Any]] = {
    "nequip-averaged": {"model": {"l_max": 1, "parity": True, "num_layers": 3}},
    "nequip-float32": {"model": {"l_max": 2, "parity": False, "num_layers": 2, "model_dtype": "float32"}, "ema": False},
    "nequip-packaged": {"model": {"l_max": 1, "parity": True, "num_layers": 2}, "package": True},
}
ALLEGRO_FILES: dict[str, dict[str, Any]] = {
    "allegro-averaged": {"model": {"l_max": 1, "num_layers": 3}},
    "allegro-packaged": {"model": {"l_max": 1, "num_layers": 2, "parity": False}, "package": True},
}
_SEVENN: dict[str, Any] = {
    "cutoff": CUTOFF, "channel": 4, "lmax": 1, "is_parity": False, "num_convolution_layer": 3, "conv_denominator": 2.5,
    "weight_nn_hidden_neurons": [8, 8], "self_connection_type": "linear", "shift": [-1.5, -2.5, -3.5], "scale": 1.7,
    "radial_basis": {"radial_basis_name": "bessel", "bessel_basis_num": 4},
}  # fmt: skip
_SEVENN_IRREPS = ["8x0e", "8x0e+4x1e+2x2e", "8x0e+4x1e+2x2e", "8x0e"]
_NEQUIP: dict[str, Any] = {
    "_target_": "nequip.model.NequIPGNNModel", "num_bessels": 4, "polynomial_cutoff_p": 6, "num_features": 4,
    "radial_mlp_depth": 1, "radial_mlp_width": 8,
}  # fmt: skip
_ALLEGRO: dict[str, Any] = {
    "_target_": "allegro.model.AllegroModel", "num_scalar_features": 8, "num_tensor_features": 4,
    "radial_chemical_embed": {"_target_": "allegro.nn.TwoBodyBesselScalarEmbed", "num_bessels": 4},
    "scalar_embed_mlp_hidden_layers_width": 8, "allegro_mlp_hidden_layers_width": 8,
    "readout_mlp_hidden_layers_width": 8,
}  # fmt: skip
_MODAL_INPUTS = ("use_modal_self_inter_intro", "use_modal_self_inter_outro", "use_modal_output_block")
SEVENN_FILES: dict[str, dict[str, Any]] = {
    "sevenn-degrees": {
        "lmax": 2, "channel": 8, "irreps_manual": _SEVENN_IRREPS, "_normalize_sph": False,
        "conv_denominator": [2.5, 3.5, 4.5], "scale": [1.7, 1.1, 2.1],
        "cutoff_function": {"cutoff_function_name": "XPLOR", "cutoff_on": 3.5},
    },
    "sevenn-modals": {
        "use_modality": True, "_modal_map": {"pbe": 0, "r2scan": 1}, "_number_of_modalities": 2,
        "use_modal_node_embedding": True, "use_modal_wise_shift": True, "use_modal_wise_scale": False,
        "shift": [[-1.5, -2.5, -3.5], [-0.5, -4.5, -2.5]], **dict.fromkeys(_MODAL_INPUTS, True),
    },
    "sevenn-parity": {"is_parity": True, "lmax": 2, "use_bias_in_linear": True, "self_connection_type": "nequip"},
}  # fmt: skip


def write_sevenn_files(output: pathlib.Path) -> None:
    """Write checkpoints of SevenNet with random weights, and their results for each modal."""
    import sevenn
    from sevenn._const import DEFAULT_E3_EQUIVARIANT_MODEL_CONFIG
    from sevenn.model_build import build_E3_equivariant_model

    for name, case in SEVENN_FILES.items():
        species = {"_type_map": {number: i for i, number in enumerate(HCO)}, "_number_of_species": len(HCO)}
        config = DEFAULT_E3_EQUIVARIANT_MODEL_CONFIG | _SEVENN | species | case
        config |= {"version": sevenn.__version__, "_model_type": "E3_equivariant_model"}
        model = build_E3_equivariant_model(dict(config))
        model.double()
        randomize(model, 1.5)
        torch.save({"model_state_dict": model.state_dict(), "config": config}, output / f"{name}.pth")
        heads = list(case.get("_modal_map", ["Default"]))

        def predict(atoms: ase.Atoms, head: str, m: Any = model) -> Prediction:
            return sevenn_predict(m, atoms, head)

        write_fixture(output / f"{name}.npz", "sevenn", heads, file_arrays(HCO, heads, predict))
        print(f"{name}.pth: {(output / f'{name}.pth').stat().st_size} bytes")


def sevenn_predict(model: Any, atoms: ase.Atoms, head: str) -> Prediction:
    """Predict with SevenNet; its stress times the volume is minus the virial, in the order xx, yy, zz, xy, yz, zx."""
    from sevenn.atom_graph_data import AtomGraphData
    from sevenn.train.dataload import unlabeled_atoms_to_graph

    # SevenNet's own conversion rounds to float32.
    graph = unlabeled_atoms_to_graph(atoms, model.cutoff, with_shift=False)
    data = AtomGraphData(**{key: torch.as_tensor(value) for key, value in graph.items() if not isinstance(value, dict)})
    if model.modal_map:
        data["data_modality"] = head
    model.eval()
    model.set_is_batch_data(False)
    # SevenNet makes its one-hot vectors in float32.
    with mock.patch.object(torch.Tensor, "float", torch.Tensor.double):
        found = model(data)
    volume = max(float(data["cell_volume"]), 1e-3)
    xx, yy, zz, xy, yz, zx = (-volume * found["inferred_stress"].detach()).tolist()
    return {
        "energy": found["inferred_total_energy"].reshape(()),
        "forces": found["inferred_force"],
        "virial": torch.tensor([[xx, xy, zx], [xy, yy, yz], [zx, yz, zz]]),
    }


def write_mace_files(output: pathlib.Path) -> None:
    """Write whole models of mace-torch, and their results for each head."""
    for name, case in MACE_FILES.items():
        dtype = torch.float32 if name.endswith("float32") else torch.float64
        torch.set_default_dtype(torch.float64)
        model, hyperparameters = mace_model(case)
        randomize(model, 1.0 if hyperparameters.get("distance_transform") == "Agnesi" else 2.0)
        torch.set_default_dtype(dtype)
        model = model.to(dtype)
        heads = case.get("heads", ["Default"])

        def predict(
            atoms: ase.Atoms, head: str, m: Any = model, h: Hyperparameters = hyperparameters, c: dict[str, Any] = case
        ) -> Prediction:
            return mace_predict(m, h, atoms, head if "heads" in c else None)

        torch.save(model, output / f"{name}.model")
        arrays = file_arrays(case.get("atomic_numbers", HCO), heads, predict)
        write_fixture(output / f"{name}.npz", "mace-torch", heads, arrays)
        print(f"{name}.model: {(output / f'{name}.model').stat().st_size} bytes")


def nequip_training(data: str, name: str, case: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of a short training of nequip."""
    symbols = [ase.data.chemical_symbols[number] for number in HCO]
    dataloader = {"_target_": "torch.utils.data.DataLoader", "batch_size": 4}
    module: dict[str, Any] = {"_target_": "nequip.train.NequIPLightningModule"}
    if case.get("ema", True):
        module = {"_target_": "nequip.train.EMALightningModule", "ema_decay": 0.9}
    statistics = {"_target_": "nequip.data.CommonDataStatisticsManager", "dataloader_kwargs": {"batch_size": 8}}
    model = {
        "seed": 1, "model_dtype": "float64", "type_names": symbols, "r_max": CUTOFF,
        "avg_num_neighbors": "${training_data_stats:num_neighbors_mean}",
        "per_type_energy_scales": "${training_data_stats:forces_rms}",
        "per_type_energy_shifts": dict(zip(symbols, [-1.5, -2.5, -3.5], strict=True)),
        **(_ALLEGRO if name in ALLEGRO_FILES else _NEQUIP),
    }  # fmt: skip
    checkpoints = "lightning.pytorch.callbacks.ModelCheckpoint"
    return {
        "run": ["train"],
        "data": {
            "_target_": "nequip.data.datamodule.ASEDataModule", "seed": 1,
            "split_dataset": {"file_path": data, "train": 16, "val": 8},
            "transforms": [
                {"_target_": "nequip.data.transforms.ChemicalSpeciesToAtomTypeMapper", "model_type_names": symbols},
                {"_target_": "nequip.data.transforms.NeighborListTransform", "r_max": CUTOFF},
            ],
            "train_dataloader": dataloader, "val_dataloader": dataloader,
            "stats_manager": statistics | {"type_names": symbols},
        },
        "trainer": {
            "_target_": "lightning.Trainer", "accelerator": "cpu", "max_epochs": 2, "logger": False,
            "callbacks": [{"_target_": checkpoints, "dirpath": "${hydra:runtime.output_dir}", "filename": "best"}],
        },
        "training_module": module | {
            "loss": {"_target_": "nequip.train.EnergyForceLoss", "coeffs": {"total_energy": 1.0, "forces": 1.0}},
            "val_metrics": {"_target_": "nequip.train.EnergyForceMetrics", "coeffs": {"forces_mae": 1.0}},
            "optimizer": {"_target_": "torch.optim.Adam", "lr": 0.01},
            "model": model | case["model"],
        },
    }  # fmt: skip


def labeled_molecules() -> list[ase.Atoms]:
    """Return rattled methanol molecules with energies and forces of EMT."""
    from ase.build import molecule
    from ase.calculators.emt import EMT
    from ase.calculators.singlepoint import SinglePointCalculator

    frames = []
    for seed in range(24):
        atoms = molecule("CH3OH")
        atoms.positions += np.random.default_rng(seed).normal(scale=0.08, size=(len(atoms), 3))
        atoms.calc = EMT()
        labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        atoms.calc = SinglePointCalculator(atoms, **labels)
        frames.append(atoms)
    return frames


def write_nequip_files(output: pathlib.Path, files: Mapping[str, dict[str, Any]] = NEQUIP_FILES) -> None:
    """Train small models, and keep the checkpoints that nequip writes and their results."""
    import ase.io
    from nequip.model.saved_models import ModelFromCheckpoint, ModelFromPackage
    from nequip.utils.global_state import set_global_state

    for name, case in files.items():
        with tempfile.TemporaryDirectory() as folder:
            ase.io.write(f"{folder}/data.xyz", labeled_molecules())
            config = nequip_training(f"{folder}/data.xyz", name, case)
            pathlib.Path(folder, "tiny.yaml").write_text(json.dumps(config), encoding="utf-8")
            program = pathlib.Path(sys.executable).parent / "nequip-train"
            command = [str(program), "-cp", folder, "-cn", "tiny", f"hydra.run.dir={folder}/out"]
            subprocess.run(command, check=True, capture_output=True)
            set_global_state()
            path, load = pathlib.Path(folder, "out/best.ckpt"), ModelFromCheckpoint
            if case.get("package"):
                path, load = packaged(path), ModelFromPackage
            model = load(str(path))["sole_model"]
            kept = output / f"{name}{'.zip' if case.get('package') else '.ckpt'}"
            if case.get("package"):
                copy_without_programs(path, kept)
            else:
                shutil.copy(path, kept)
        types = {key: config["training_module"]["model"][key] for key in ("type_names", "r_max")}

        def predict(atoms: ase.Atoms, head: str, m: Any = model, t: Hyperparameters = types) -> Prediction:
            return nequip_predict(m, t, atoms)

        arrays = file_arrays(HCO, ["Default"], predict)
        write_fixture(output / f"{name}.npz", "nequip", ["Default"], arrays)
        print(f"{kept.name}: {kept.stat().st_size} bytes")


def packaged(checkpoint: pathlib.Path) -> pathlib.Path:
    """Package a checkpoint with nequip's own command."""
    target = checkpoint.with_name("model.nequip.zip")
    program = pathlib.Path(sys.executable).parent / "nequip-package"
    command = [str(program), "build", str(checkpoint), str(target)]
    subprocess.run(command, check=True, capture_output=True, cwd=checkpoint.parent.parent)
    return target


def copy_without_programs(package: pathlib.Path, target: pathlib.Path) -> None:
    """Copy a package without its programs, which are 0.6 MB and are not read."""
    with zipfile.ZipFile(package) as source, zipfile.ZipFile(target, "w") as copied:
        for entry in source.infolist():
            if not entry.filename.endswith((".py", "compile_model.pkl")):
                copied.writestr(entry.filename, source.read(entry))


def file_arrays(numbers: list[int], heads: list[str], predict: Callable[[ase.Atoms, str], Prediction]) -> Arrays:
    """Return structures of these elements and the results of each head."""
    arrays: Arrays = {}
    for label, atoms in structures(numbers).items():
        inputs = {"positions": atoms.positions, "numbers": atoms.numbers, "cell": atoms.cell.array, "pbc": atoms.pbc}
        arrays |= {f"structure/{label}/{key}": np.array(value) for key, value in inputs.items()}
        for head in heads:
            found = structure_arrays(atoms, predict(atoms, head))
            arrays |= {f"structure/{label}/{head}/{key}": found[key] for key in ("energy", "forces", "virial")}
    return arrays


def write_fixture(path: pathlib.Path, peer: str, heads: list[str], arrays: Arrays) -> None:
    """Write the results of a model file with the versions of the packages."""
    packages = versions([peer, "e3nn", "torch", "numpy", "ase"])
    metadata = {"format": 1, "peer": peer, "seed": SEED, "heads": heads, "versions": packages}
    np.savez_compressed(path, metadata=np.array(json.dumps(metadata)), **arrays)  # type: ignore[arg-type]


def main() -> None:
    """Write the files of one program."""
    writers: dict[str, Callable[[pathlib.Path], None]] = {
        "mace": write_mace_files,
        "nequip": write_nequip_files,
        "allegro": partial(write_nequip_files, files=ALLEGRO_FILES),
        "sevenn": write_sevenn_files,
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=sorted(writers))
    parser.add_argument("--output", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    torch.set_default_dtype(torch.float64)
    writers[arguments.peer](arguments.output)


if __name__ == "__main__":
    main()
