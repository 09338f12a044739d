"""Train another package on acetylacetone for a given time, for comparison, and print a line per epoch and test errors.

    mace-env/bin/python scripts/train_peer.py mace_torch --data ../shared/data/acac --minutes 15 --threads 2
    nequip-env/bin/python scripts/train_peer.py nequip --data ../shared/data/acac --minutes 15 --threads 2

The commands run in separate environments with mace-torch 0.3.16 or nequip 0.19.1; the settings are in `peer_*.py`. The
time starts before the first step and includes validation; training stops in the middle of an epoch when the time limit
is reached. With --csv the metrics are written with the column names of our metrics.csv, for `accuracy_plot.py`.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import torch

EMA_DECAY = 0.99


def split_frames(data: Path, seed: int) -> dict[str, list[Any]]:
    """Draw 450 training frames and 50 validation frames with the seed, and read the test set."""
    frames = ase.io.read(data / "train_300K.xyz", ":")
    order = np.random.default_rng(seed).permutation(len(frames))
    return {
        "train": [frames[i] for i in sorted(order[50:])],
        "validation": [frames[i] for i in sorted(order[:50])],
        "test": ase.io.read(data / "test_MD_300K.xyz", ":"),
    }


class Average:
    """Exponential moving average (EMA) of the weights of a model, with warm-up as in torch_ema."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.weights = [p for p in model.parameters() if p.requires_grad]
        self.means = [p.detach().clone() for p in self.weights]
        self.updates = 0

    def update(self) -> None:
        """Update the average with the current weights."""
        self.updates += 1
        decay = min(EMA_DECAY, (1 + self.updates) / (10 + self.updates))
        for mean, weight in zip(self.means, self.weights, strict=True):
            mean.lerp_(weight.detach(), 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Use the averaged weights within the context."""
        kept = [p.detach().clone() for p in self.weights]
        self._set(self.means)
        try:
            yield
        finally:
            self._set(kept)

    def _set(self, values: list[torch.Tensor]) -> None:
        with torch.no_grad():
            for weight, value in zip(self.weights, values, strict=True):
                weight.copy_(value)


def errors(peer: Any, frames: list[Any], batches: Any, e0: dict[int, float], average: Average) -> list[float]:
    """Compute RMSE and MAE of forces (meV/A, per component) and energies (meV/atom) with the averaged weights."""
    forces, energies = [], []
    with average.in_place():
        for batch in batches:
            energy, force, wanted = peer.predict(batch)
            forces.append((force.detach() - wanted).double().flatten().numpy())
            energies.append(energy.detach().double().numpy())
    targets = np.array([a.get_potential_energy() - sum(e0[int(z)] for z in a.numbers) for a in frames])
    force = 1e3 * np.concatenate(forces)
    energy = 1e3 * (np.concatenate(energies) - targets) / np.array([len(a) for a in frames])
    return [float(f) for x in (force, energy) for f in (np.sqrt((x**2).mean()), np.abs(x).mean())]


def train(
    peer: Any, splits: dict[str, list[Any]], e0: dict[int, float], args: argparse.Namespace
) -> tuple[Average, list[dict[str, float]]]:
    """Train for the given time; return the average of the weights and the metrics of each epoch."""
    batches = peer.batches(splits["train"], shuffle=True, seed=args.seed)
    validation = peer.batches(splits["validation"], shuffle=False)
    average = Average(peer.model)
    metrics: list[dict[str, float]] = []
    start, limit = time.perf_counter(), 60 * args.minutes
    while time.perf_counter() - start < limit:
        for batch in batches:
            peer.optimizer.zero_grad(set_to_none=True)
            loss = peer.loss(batch)
            loss.backward()
            if peer.clip is not None:
                torch.nn.utils.clip_grad_norm_(peer.model.parameters(), max_norm=peer.clip)
            peer.optimizer.step()
            average.update()
            if time.perf_counter() - start > limit:
                break
        elapsed = time.perf_counter() - start
        force, force_mae, energy, energy_mae = errors(peer, splits["validation"], validation, e0, average)
        metrics.append(
            {
                "epoch": len(metrics) + 1,
                "time_s": round(elapsed, 3),
                "energy_per_atom_mae_meV": energy_mae,
                "energy_per_atom_rmse_meV": energy,
                "forces_mae_meV_per_A": force_mae,
                "forces_rmse_meV_per_A": force,
            }
        )
        print(
            f"epoch {len(metrics):3d}  {elapsed:7.1f} s  loss {loss.item():9.4f}  validation: "
            f"force RMSE {force:7.2f} meV/A, energy RMSE {energy:6.3f} meV/atom",
            flush=True,
        )
    return average, metrics


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=["mace_torch", "nequip"])
    parser.add_argument("--data", type=Path, required=True, help="folder with the acac files")
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--csv", type=Path, help="file for the metrics")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_default_dtype(torch.float32)
    splits = split_frames(args.data, args.seed)
    atoms = ase.io.read(args.data / "isolated_atoms.xyz", ":")
    e0 = {int(a.numbers[0]): a.get_potential_energy() for a in atoms}
    peer = importlib.import_module(f"peer_{args.peer}").Peer(splits["train"], e0, args.seed)
    parameters = sum(p.numel() for p in peer.model.parameters())
    print(f"{args.peer}: {parameters} parameters, {args.threads} threads, seed {args.seed}", flush=True)
    average, metrics = train(peer, splits, e0, args)
    if args.csv is not None:
        with args.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, metrics[0])
            writer.writeheader()
            writer.writerows(metrics)
    for name in ("validation", "test"):
        found = errors(peer, splits[name], peer.batches(splits[name], shuffle=False), e0, average)
        print(
            f"{name} ({len(splits[name])} frames), averaged weights: "
            f"force RMSE {found[0]:.2f}, MAE {found[1]:.2f} meV/A; "
            f"energy RMSE {found[2]:.3f}, MAE {found[3]:.3f} meV/atom",
            flush=True,
        )


if __name__ == "__main__":
    main()
