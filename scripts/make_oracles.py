"""Generate the fixtures for tests of the conversion of MACE and NequIP weights: small random models and predictions.

    <environment with mace-torch>/bin/python scripts/make_oracles.py mace   --output tests/interop/oracles
    <environment with nequip>/bin/python     scripts/make_oracles.py nequip --output tests/interop/oracles

Each package (peer) runs in its own environment, because their e3nn versions conflict; neither is needed to run the
tests. A fixture is one `.npz` file without pickles:

- `metadata`: JSON with the peer, versions, seed and hyperparameters (all settings that are not in the state dict);
- `state/NAME`: the parameters and buffers of the model in float64;
- `structure/NAME/...`: positions, numbers, cell, pbc, and the results of the peer in eV and A: energy, node_energies,
  forces, virial (dE/dstrain), and stress if the structure is periodic in all three directions.

MACE's coupling tensors (its buffers `U_matrix_NU`) are the same in many models; `couplings.npz` contains each tensor
once, as flat indices and values, and the metadata assigns them to the buffers.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import pathlib
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")  # the e3nn that mace-torch pins loads a trusted pickle
import ase
import ase.data
import numpy as np
import torch

SEED = 20260117
CUTOFF = 4.0
E0 = {1: -1.3, 6: -3.7, 8: -2.9, 14: -4.1}

Arrays = dict[str, np.ndarray]
Hyperparameters = dict[str, Any]
Prediction = dict[str, torch.Tensor]

RESIDUAL = "RealAgnosticResidualInteractionBlock"
NON_RESIDUAL = "RealAgnosticInteractionBlock"
DENSITY = "RealAgnosticDensityInteractionBlock"
DENSITY_RESIDUAL = "RealAgnosticDensityResidualInteractionBlock"
HCO, CO, OC, HCSI = [1, 6, 8], [6, 8], [8, 6], [1, 6, 14]

# name -> differences from MACE_DEFAULTS; "max_L" is the feature degree
MACE_CASES: dict[str, dict[str, Any]] = {
    "mace-residual-L0-correlation1": {"max_L": 0, "correlation": 1},
    "mace-residual-L1-correlation2": {"max_L": 1, "correlation": 2},
    "mace-residual-L2-correlation3": {"max_L": 2, "correlation": 3},
    "mace-residual-L0-correlation3-elements2": {"max_L": 0, "correlation": 3, "atomic_numbers": CO},
    "mace-residual-L1-correlation3-edge3": {"max_L": 1, "correlation": 3, "max_ell": 3, "atomic_numbers": CO},
    "mace-residual-L1-correlation3-edge1": {"max_L": 1, "correlation": 3, "max_ell": 1},
    "mace-residual-L1-correlation231-layers3": {"max_L": 1, "correlation": [2, 3, 1], "num_interactions": 3},
    "mace-residual-L0-correlation2-layers1": {"max_L": 0, "correlation": 2, "num_interactions": 1},
    "mace-first-L0-correlation2": {"max_L": 0, "correlation": 2, "interaction_cls_first": NON_RESIDUAL},
    "mace-first-L1-correlation3": {"max_L": 1, "correlation": 3, "interaction_cls_first": NON_RESIDUAL},
    "mace-first-L2-correlation1-layers3": {
        "max_L": 2, "correlation": 1, "interaction_cls_first": NON_RESIDUAL, "num_interactions": 3
    },
    "mace-both-L1-correlation2": {
        "max_L": 1, "correlation": 2, "interaction_cls_first": NON_RESIDUAL, "interaction_cls": NON_RESIDUAL
    },
    "mace-density-L1-correlation2": {
        "max_L": 1, "correlation": 2, "interaction_cls_first": DENSITY_RESIDUAL, "interaction_cls": DENSITY_RESIDUAL
    },
    "mace-density-first-L1-correlation2-agnesi": {
        "max_L": 1, "correlation": 2, "interaction_cls_first": DENSITY, "interaction_cls": DENSITY_RESIDUAL,
        "distance_transform": "Agnesi",
    },
    "mace-residual-L1-correlation2-zbl": {
        "max_L": 1, "correlation": 2, "pair_repulsion": True, "atomic_numbers": HCSI, "num_polynomial_cutoff": 6
    },
}  # fmt: skip
MACE_DEFAULTS: dict[str, Any] = {
    "model": "ScaleShiftMACE", "channels": 4, "r_max": CUTOFF, "num_bessel": 6, "num_polynomial_cutoff": 5,
    "max_ell": 2, "interaction_cls_first": RESIDUAL, "interaction_cls": RESIDUAL, "num_interactions": 2,
    "MLP_irreps": "16x0e", "gate": "silu", "avg_num_neighbors": 2.75, "atomic_numbers": HCO, "radial_type": "bessel",
    "radial_MLP": [8, 8], "pair_repulsion": False, "distance_transform": "None", "apply_cutoff": True,
    "use_reduced_cg": False, "atomic_inter_scale": 0.83, "atomic_inter_shift": 0.37,
}  # fmt: skip

ZBL: dict[str, Any] = {"_target_": "nequip.nn.pair_potential.ZBL", "units": "metal"}
NEQUIP_CASES: dict[str, dict[str, Any]] = {
    "nequip-degrees": {"l_max": 2, "num_features": [8, 4, 2], "parity": True, "num_layers": 3},
    "nequip-l0-parity": {"l_max": 0, "parity": True, "num_layers": 2},
    "nequip-l0": {"l_max": 0, "parity": False, "num_layers": 3},
    "nequip-l1-parity": {"l_max": 1, "parity": True, "num_layers": 3},
    "nequip-l1": {"l_max": 1, "parity": False, "num_layers": 2, "atomic_numbers": OC, "radial_mlp_depth": 1},
    "nequip-l2-parity": {"l_max": 2, "parity": True, "num_layers": 3},
    # Six layers is the minimum for an odd scalar (first computed in the third layer) to affect the energy.
    "nequip-l1-parity-layers6": {"l_max": 1, "parity": True, "num_layers": 6, "num_features": 3},
    "nequip-l2": {"l_max": 2, "parity": False, "num_layers": 3, "atomic_numbers": HCSI},
    "nequip-l2-parity-trainable": {"l_max": 2, "parity": True, "num_layers": 4, "bessel_trainable": True},
    "nequip-l1-zbl": {"l_max": 1, "parity": False, "num_layers": 2, "pair_potential": ZBL | {"polynomial_cutoff_p": 5}},
    "nequip-l3": {"l_max": 3, "parity": False, "num_layers": 2},
}
NEQUIP_DEFAULTS: dict[str, Any] = {
    "r_max": CUTOFF, "num_features": 4, "radial_mlp_depth": 2, "radial_mlp_width": 8, "num_bessels": 6,
    "polynomial_cutoff_p": 6, "bessel_trainable": False, "avg_num_neighbors": 2.75, "atomic_numbers": HCO,
}  # fmt: skip

ALLEGRO_CASES: dict[str, dict[str, Any]] = {
    "allegro-l0": {"l_max": 0, "num_layers": 2},
    "allegro-l1": {
        "l_max": 1, "parity": False, "num_layers": 2, "atomic_numbers": OC, "r_max": 4.5, "pair_potential": ZBL
    },
    "allegro-l1-parity-layers4": {"l_max": 1, "num_layers": 4, "forward_normalize": False},
    "allegro-l2-layers1": {"l_max": 2, "num_layers": 1, "allegro_mlp_hidden_layers_depth": 2, "bessel_trainable": True},
    "allegro-l2-parity-linear": {
        "l_max": 2, "num_layers": 3, "tp_path_channel_coupling": False, "radial_chemical_embed_dim": None,
        "allegro_mlp_nonlinearity": None, "readout_mlp_nonlinearity": "null", "readout_mlp_hidden_layers_depth": 2,
    },
    "allegro-l3-parity": {
        "l_max": 3, "num_layers": 3, "atomic_numbers": HCSI, "scalar_embed_mlp_hidden_layers_depth": 0
    },
}  # fmt: skip
ALLEGRO_DEFAULTS: dict[str, Any] = {
    "r_max": CUTOFF, "parity": True, "num_scalar_features": 6, "num_tensor_features": 3, "avg_num_neighbors": 2.75,
    "allegro_mlp_hidden_layers_width": 7, "scalar_embed_mlp_hidden_layers_width": 8,
    "readout_mlp_hidden_layers_width": 5, "radial_chemical_embed_dim": 10, "atomic_numbers": HCO,
}  # fmt: skip


def spread_out(rng: np.random.Generator, count: int, cell: np.ndarray, pbc: Any, distance: float = 1.25) -> ase.Atoms:
    """Draw random positions in the cell, no two atoms (or images) closer than `distance`."""
    for _ in range(100_000):
        atoms = ase.Atoms(numbers=[1] * count, positions=rng.random((count, 3)) @ cell, cell=cell, pbc=pbc)
        distances = atoms.get_all_distances(mic=True)
        if distances[~np.eye(count, dtype=bool)].min() > distance:
            return atoms
    raise RuntimeError(f"{count} atoms do not fit the cell at {distance} A")


def structures(numbers: list[int]) -> dict[str, ase.Atoms]:
    """Create a molecule, a triclinic cell smaller than the cutoff, a left-handed cell with an atom outside, a slab."""
    rng = np.random.default_rng(SEED)
    out = {
        "molecule": spread_out(rng, 6, 2.9 * np.eye(3), False),
        "triclinic": spread_out(rng, 3, np.array([[2.9, 0.1, 0.0], [0.7, 3.1, 0.2], [0.4, -0.6, 3.3]]), True),
        "left-handed": spread_out(rng, 4, np.array([[0.2, 3.7, 0.0], [4.1, 0.3, -0.4], [0.5, 0.0, 3.4]]), True),
        "slab": spread_out(rng, 5, np.array([[3.3, 0.4, 0.0], [-0.5, 3.8, 0.0], [0.0, 0.0, 5.0]]), (True, True, False)),
    }
    out["molecule"].cell = None
    out["left-handed"].positions[1] += 2 * out["left-handed"].cell[0] - out["left-handed"].cell[2]
    for atoms in out.values():
        atoms.numbers = [numbers[i % len(numbers)] for i in rng.permutation(len(atoms))]
    return out


def randomize(model: torch.nn.Module, radial_scale: float) -> None:
    """Draw normal parameters, scaled so that messages, self-connections and all orders of the product matter."""
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            if name.endswith(("denominator", "rescale_atomic_energy.scale", "rescale_atomic_energy.shift")):
                continue
            if name.endswith(("bessel_weights", "basis_function.coeffs")):
                parameter.mul_(1.0 + 0.05 * noise)
            elif "symmetric_contractions" in name:
                parameter.copy_(0.3 * noise / parameter.shape[1] ** 0.5)
            elif any(part in name for part in ("conv_tp_weights", "edge_mlp", "weight_nn")):
                parameter.copy_(radial_scale * noise)
            else:
                parameter.copy_(noise)


def check_every_parameter_matters(model: torch.nn.Module, energy: torch.Tensor) -> None:
    """Check that the energy depends on every parameter; otherwise a wrong conversion would not be detected."""
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            (gradient,) = torch.autograd.grad(energy, parameter, retain_graph=True)
            if gradient.norm() < 1e-3:
                raise RuntimeError(f"the energy hardly depends on {name}")


def mace_model(case: dict[str, Any]) -> tuple[torch.nn.Module, Hyperparameters]:
    """Create a random MACE model, and its hyperparameters under mace-torch's names."""
    from e3nn import o3
    from mace import modules

    given = MACE_DEFAULTS | case
    channels, max_L = given.pop("channels"), given.pop("max_L")
    given["hidden_irreps"] = "+".join(f"{channels}x{degree}{'eo'[degree % 2]}" for degree in range(max_L + 1))
    given["num_elements"] = len(given["atomic_numbers"])
    energies = [
        [E0[z] * (1 + 0.1 * head) for z in given["atomic_numbers"]] for head in range(len(given.get("heads", [0])))
    ]
    if "heads" in given:
        count = len(given["heads"])
        given |= {"atomic_inter_scale": [0.8, 0.9, 1.1][:count], "atomic_inter_shift": [0.1, -0.2, 0.3][:count]}
    arguments = {k: v for k, v in given.items() if k != "model"} | {
        "hidden_irreps": o3.Irreps(given["hidden_irreps"]),
        "MLP_irreps": o3.Irreps(given["MLP_irreps"]),
        "interaction_cls": modules.interaction_classes[given["interaction_cls"]],
        "interaction_cls_first": modules.interaction_classes[given["interaction_cls_first"]],
        "gate": modules.gate_dict[given["gate"]],
        "atomic_energies": np.array(energies if "heads" in given else energies[0]),
    }
    return modules.ScaleShiftMACE(**arguments), given


def mace_predict(
    model: torch.nn.Module, hyperparameters: Hyperparameters, atoms: ase.Atoms, head: str | None = None
) -> Prediction:
    """Predict energy, node energies, forces and the strain derivative of the energy; with several heads, with one."""
    from mace import data, tools
    from mace.tools import torch_geometric

    table = tools.AtomicNumberTable(hyperparameters["atomic_numbers"])
    config, heads = data.config_from_atoms(atoms.copy()), {}
    if head is not None:
        config, heads = data.config_from_atoms(atoms.copy(), head_name=head), {"heads": hyperparameters["heads"]}
    graph = data.AtomicData.from_config(config, z_table=table, cutoff=CUTOFF, **heads)
    batch = next(iter(torch_geometric.dataloader.DataLoader([graph], batch_size=1)))
    out = model(batch.to_dict(), training=True, compute_virials=True, compute_stress=True)
    return {
        "energy": out["energy"][0],
        "node_energies": out["node_energy"],
        "forces": out["forces"],
        "virial": -out["virials"][0],  # mace-torch returns minus the derivative
    }


def with_types(given: dict[str, Any], model: str) -> dict[str, Any]:
    """Return arguments of a model of nequip or nequip-allegro with its name, types, scales and shifts."""
    kept = {name: value for name, value in given.items() if name != "atomic_numbers"}
    symbols = [ase.data.chemical_symbols[z] for z in given["atomic_numbers"]]
    if "pair_potential" in kept:
        kept["pair_potential"] = kept["pair_potential"] | {"chemical_species": symbols}
    return kept | {
        "model": model,
        "type_names": symbols,
        "per_type_energy_scales": {s: 0.7 + 0.2 * i for i, s in enumerate(symbols)},
        "per_type_energy_shifts": {s: E0[z] for s, z in zip(symbols, given["atomic_numbers"], strict=True)},
    }


def nequip_model(case: dict[str, Any]) -> tuple[torch.nn.Module, Hyperparameters]:
    """Create a random NequIP model, and its hyperparameters under nequip's names."""
    from nequip.model import NequIPGNNModel
    from nequip.utils.global_state import set_global_state

    set_global_state()
    given = with_types(NEQUIP_DEFAULTS | case, "NequIPGNNModel")
    arguments = {k: v for k, v in given.items() if k != "model"}
    model = NequIPGNNModel(seed=1, model_dtype="float64", compile_mode="eager", **arguments)
    return model, given


def nequip_predict(
    model: torch.nn.Module, hyperparameters: Hyperparameters, atoms: ase.Atoms
) -> dict[str, torch.Tensor]:
    """Predict energy, node energies, forces and the strain derivative of the energy."""
    from nequip.data import AtomicDataDict, compute_neighborlist_, from_ase

    graph = compute_neighborlist_(from_ase(atoms.copy()), r_max=hyperparameters["r_max"])
    types = [hyperparameters["type_names"].index(s) for s in atoms.get_chemical_symbols()]
    graph[AtomicDataDict.ATOM_TYPE_KEY] = torch.tensor(types)
    out = model(graph)
    return {
        "energy": out[AtomicDataDict.TOTAL_ENERGY_KEY].reshape(()),
        "node_energies": out[AtomicDataDict.PER_ATOM_ENERGY_KEY].flatten(),
        "forces": out[AtomicDataDict.FORCE_KEY],
        "virial": -out[AtomicDataDict.VIRIAL_KEY].reshape(3, 3),  # nequip returns minus the derivative
    }


def allegro_model(case: dict[str, Any]) -> tuple[torch.nn.Module, Hyperparameters]:
    """Create a random Allegro model, and its hyperparameters under nequip-allegro's names."""
    from allegro.model import AllegroModel
    from nequip.utils.global_state import set_global_state

    set_global_state()
    given = with_types(ALLEGRO_DEFAULTS | case, "AllegroModel")
    given["radial_chemical_embed"] = {
        "_target_": "allegro.nn.TwoBodyBesselScalarEmbed",
        "num_bessels": 6,
        "bessel_trainable": given.pop("bessel_trainable", False),
    }
    arguments = {k: v for k, v in given.items() if k != "model"}
    return AllegroModel(seed=1, model_dtype="float64", compile_mode="eager", **arguments), given


def structure_arrays(atoms: ase.Atoms, prediction: Prediction) -> Arrays:
    """Return the arrays of one structure in a fixture."""
    arrays = {k: v.detach().numpy() for k, v in prediction.items()}
    if np.abs(arrays["forces"]).max() < 1e-2:
        raise RuntimeError("the forces are too small to test anything")
    if atoms.pbc.all():
        arrays["stress"] = arrays["virial"] / atoms.get_volume()
    return arrays | {
        "positions": atoms.positions, "numbers": atoms.numbers, "cell": atoms.cell.array, "pbc": atoms.pbc
    }  # fmt: skip


def kept_state(model: torch.nn.Module) -> Arrays:
    """Return the state dict without masks, flags and tables of covalent radii."""
    generated = ("output_mask", "covalent_radii", "_zeroed", "_empty")
    return {
        name: tensor.detach().numpy()
        for name, tensor in model.state_dict().items()
        if tensor.numel() > 0 and not any(word in name for word in generated)
    }


def split_couplings(state: Arrays, hyperparameters: Hyperparameters, couplings: Arrays) -> dict[str, str]:
    """Move the coupling tensors from the state to the shared table; return buffer name -> key in the table."""
    where = {}
    for name in [name for name in state if "U_matrix" in name]:
        tensor = state.pop(name)
        degree, order = int(name.split("contractions.")[2].split(".")[0]), int(name.rsplit("_", 1)[1])
        key = f"edge{hyperparameters['max_ell']}-degree{degree}-order{order}"
        flat = tensor.ravel()
        index = np.flatnonzero(flat)
        couplings[f"{key}/shape"], couplings[f"{key}/index"] = np.array(tensor.shape), index.astype(np.int32)
        couplings[f"{key}/value"] = flat[index]
        where[name] = key
    return where


def versions(packages: list[str]) -> dict[str, str]:
    """Return the installed versions of the packages on which the numbers depend."""
    return {package: importlib.metadata.version(package) for package in packages}


Build = Callable[[dict[str, Any]], tuple[torch.nn.Module, Hyperparameters]]
Predict = Callable[[torch.nn.Module, Hyperparameters, ase.Atoms], Prediction]
PEERS: dict[str, tuple[str, dict[str, dict[str, Any]], Build, Predict]] = {
    "mace": ("mace-torch", MACE_CASES, mace_model, mace_predict),
    "nequip": ("nequip", NEQUIP_CASES, nequip_model, nequip_predict),
    "allegro": ("nequip-allegro", ALLEGRO_CASES, allegro_model, nequip_predict),
}


def main() -> None:
    """Write the fixtures of one peer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=sorted(PEERS))
    parser.add_argument("--output", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    torch.set_default_dtype(torch.float64)
    package, cases, build, predict = PEERS[arguments.peer]
    couplings: Arrays = {}
    for name, case in cases.items():
        model, hyperparameters = build(case)
        randomize(model, 1.0 if hyperparameters.get("distance_transform") == "Agnesi" else 2.0)
        model.train()  # keeps the graph, which the check of the parameters needs; neither peer has dropout
        numbers = case.get("atomic_numbers", HCO)
        arrays: Arrays = {}
        energies = torch.zeros(())
        for label, atoms in structures(numbers).items():
            prediction = predict(model, hyperparameters, atoms)
            energies = energies + prediction["energy"]
            arrays |= {f"structure/{label}/{k}": v for k, v in structure_arrays(atoms, prediction).items()}
        check_every_parameter_matters(model, energies)
        state = kept_state(model)
        metadata = {
            "format": 1, "peer": package, "seed": SEED, "hyperparameters": hyperparameters,
            "versions": versions([package, "e3nn", "torch", "numpy", "ase"]),
            "couplings": split_couplings(state, hyperparameters, couplings),
        }  # fmt: skip
        arrays |= {f"state/{k}": v for k, v in state.items()}
        path = arguments.output / f"{name}.npz"
        np.savez_compressed(path, metadata=np.array(json.dumps(metadata)), **arrays)  # type: ignore[arg-type]
        print(f"{path.name}: {path.stat().st_size} bytes, energies sum to {energies.item():.6f} eV")
    if couplings:
        np.savez_compressed(arguments.output / "couplings.npz", **couplings)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
