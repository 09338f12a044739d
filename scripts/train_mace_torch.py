"""Train mace-torch on acetylacetone for a stated time, to compare with: one line an epoch, then the test errors.

    mace-env/bin/python scripts/train_mace_torch.py --data ../shared/data/acac --minutes 15 --threads 2

runs in an environment of its own with mace-torch 0.3.16 (its e3nn is older than ours).

As mace-torch's own run_train with: float32, ScaleShiftMACE 64x0e+64x1o, max_ell 3, 2 layers, correlation 3, 8 Bessel
functions, p 5, radial MLP [64, 64, 64], RealAgnosticResidualInteractionBlock in both layers, r_max 5, E0s from the
isolated atoms, rms_forces_scaling (its mean as shift), weighted loss 1 : 1000, batch 5, Adam amsgrad 0.01 with its
decay groups (5e-7), gradient clip 10, EMA 0.99. No plateau schedule: its patience of 50 epochs is not reached.
The clock starts before the first step and counts validation; training stops in mid-epoch when time is up.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
import ase.io
import numpy as np
import torch

CUTOFF = 5.0


def split_frames(data: Path, seed: int) -> dict[str, list[Any]]:
    """450 frames to train and 50 to validate, drawn with the seed, and the test set."""
    frames = ase.io.read(data / "train_300K.xyz", ":")
    order = np.random.default_rng(seed).permutation(len(frames))
    return {
        "train": [frames[i] for i in sorted(order[50:])],
        "validation": [frames[i] for i in sorted(order[:50])],
        "test": ase.io.read(data / "test_MD_300K.xyz", ":"),
    }


def loader(frames: list[Any], table: Any, batch_size: int, shuffle: bool, seed: int = 0) -> Any:
    """mace-torch's batches of these frames."""
    from mace import data
    from mace.data import KeySpecification
    from mace.tools import torch_geometric

    keys = KeySpecification(info_keys={"energy": "REF_energy"}, arrays_keys={"forces": "REF_forces"})
    graphs = []
    for atoms in frames:
        atoms = atoms.copy() if atoms.calc is None else atoms
        atoms.info["REF_energy"], atoms.arrays["REF_forces"] = atoms.get_potential_energy(), atoms.get_forces()
        config = data.config_from_atoms(atoms, key_specification=keys)
        graphs.append(data.AtomicData.from_config(config, z_table=table, cutoff=CUTOFF))
    return torch_geometric.dataloader.DataLoader(
        dataset=graphs,
        batch_size=batch_size,
        shuffle=shuffle,
        drop_last=shuffle,
        generator=torch.Generator().manual_seed(seed),
    )


def isolated_energies(data: Path) -> dict[int, float]:
    """Energy of each isolated atom, eV, by atomic number."""
    return {int(a.numbers[0]): a.get_potential_energy() for a in ase.io.read(data / "isolated_atoms.xyz", ":")}


def build(table: Any, train: Any, e0: dict[int, float]) -> Any:
    """The model, with scale, shift and neighbours of the training frames."""
    from e3nn import o3
    from mace import modules

    energies = np.array([e0[z] for z in table.zs])
    mean, scale = modules.compute_mean_rms_energy_forces(train, energies)
    residual = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
    mean, scale = np.asarray(mean).item(), np.asarray(scale).item()
    neighbors = modules.compute_avg_num_neighbors(train)
    print(f"shift {float(mean):.4f} eV, scale {float(scale):.4f} eV/A, neighbours {float(neighbors):.3f}")
    return modules.ScaleShiftMACE(
        r_max=CUTOFF, num_bessel=8, num_polynomial_cutoff=5, max_ell=3, interaction_cls=residual,
        interaction_cls_first=residual, num_interactions=2, num_elements=len(table.zs),
        hidden_irreps=o3.Irreps("64x0e+64x1o"), MLP_irreps=o3.Irreps("16x0e"), gate=torch.nn.functional.silu,
        atomic_energies=energies, avg_num_neighbors=float(neighbors), atomic_numbers=table.zs, correlation=3,
        radial_type="bessel", radial_MLP=[64, 64, 64], atomic_inter_scale=float(scale), atomic_inter_shift=float(mean),
    )  # fmt: skip


def optimizer_of(model: Any) -> torch.optim.Optimizer:
    """Adam with mace-torch's decay groups."""
    decayed = {n: p for n, p in model.interactions.named_parameters() if "linear.weight" in n or "skip_tp_full" in n}
    rest = [p for n, p in model.interactions.named_parameters() if n not in decayed]
    groups = [
        {"params": model.node_embedding.parameters(), "weight_decay": 0.0},
        {"params": list(decayed.values()), "weight_decay": 5e-7},
        {"params": rest, "weight_decay": 0.0},
        {"params": model.products.parameters(), "weight_decay": 5e-7},
        {"params": model.readouts.parameters(), "weight_decay": 0.0},
    ]
    return torch.optim.Adam(groups, lr=0.01, amsgrad=True)


def interaction_targets(frames: list[Any], e0: dict[int, float]) -> np.ndarray:
    """Energies less the isolated atoms', in float64: -9391 eV in float32 leaves no tenth of a meV."""
    return np.array([a.get_potential_energy() - sum(e0[z] for z in a.numbers) for a in frames])


def errors(model: Any, batches: Any, targets: np.ndarray, ema: Any) -> list[float]:
    """RMSE and MAE of forces (meV/A, per component), then of energies (meV per atom), with the EMA weights."""
    forces, energies, atoms = [], [], []
    with ema.average_parameters():
        for batch in batches:
            out = model(batch.to_dict(), training=False)
            forces.append((out["forces"] - batch.forces).detach().double().flatten().numpy())
            energies.append(out["interaction_energy"].detach().double().numpy())
            atoms.append((batch.ptr[1:] - batch.ptr[:-1]).numpy())
    force = 1e3 * np.concatenate(forces)
    energy = 1e3 * (np.concatenate(energies) - targets) / np.concatenate(atoms)
    return [float(f) for x in (force, energy) for f in (np.sqrt((x**2).mean()), np.abs(x).mean())]


def train(model: Any, batches: Any, validation: Any, targets: np.ndarray, minutes: float) -> Any:
    """Returns the EMA of the weights when time is up."""
    from mace import modules
    from torch_ema import ExponentialMovingAverage

    loss_function = modules.WeightedEnergyForcesLoss(energy_weight=1.0, forces_weight=1000.0)
    optimizer = optimizer_of(model)
    ema = ExponentialMovingAverage(model.parameters(), decay=0.99)
    start, epoch, steps = time.perf_counter(), 0, 0
    while time.perf_counter() - start < 60 * minutes:
        for batch in batches:
            optimizer.zero_grad(set_to_none=True)
            loss = loss_function(pred=model(batch.to_dict(), training=True), ref=batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=10.0)
            optimizer.step()
            ema.update()
            steps += 1
            if time.perf_counter() - start > 60 * minutes:
                break
        epoch += 1
        elapsed = time.perf_counter() - start
        force, _, energy, _ = errors(model, validation, targets, ema)
        print(
            f"epoch {epoch:3d}  steps {steps:5d}  {elapsed:7.1f} s  loss {loss.item():9.4f}  "
            f"validation: force RMSE {force:7.2f} meV/A, energy RMSE {energy:6.3f} meV/atom",
            flush=True,
        )
    return ema


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the acac files")
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    from mace import tools

    torch.set_num_threads(args.threads)
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(args.seed)
    parts = split_frames(args.data, args.seed)
    e0 = isolated_energies(args.data)
    table = tools.AtomicNumberTable(sorted(e0))
    batches = loader(parts["train"], table, 5, shuffle=True, seed=args.seed)
    model = build(table, loader(parts["train"], table, 50, shuffle=False), e0)
    print(
        f"{sum(p.numel() for p in model.parameters())} parameters, {args.threads} threads, seed {args.seed}", flush=True
    )
    validation = loader(parts["validation"], table, 10, shuffle=False)
    ema = train(model, batches, validation, interaction_targets(parts["validation"], e0), args.minutes)
    for name in ("validation", "test"):
        frames = parts[name]
        found = errors(model, loader(frames, table, 10, shuffle=False), interaction_targets(frames, e0), ema)
        print(
            f"{name} ({len(frames)} frames), EMA weights: force RMSE {found[0]:.2f}, MAE {found[1]:.2f} meV/A; "
            f"energy RMSE {found[2]:.3f}, MAE {found[3]:.3f} meV/atom",
            flush=True,
        )


if __name__ == "__main__":
    main()
