"""Fine-tune a potential on few and many frames by each method, and compare with training from scratch.

    python scripts/fine_tuning_study.py 7net-0.potential train.xyz test.xyz --output docs/data/fine-tuning.csv
    python scripts/fine_tuning_study.py --table docs/data/fine-tuning.csv

A row is written for each run, and runs that have a row are skipped, so the study can be continued. All runs of a number
of frames have the same number of training frame evaluations (`--passes`), so the time is about the same for all methods
but replay, which adds its own frames. Columns:

- test errors: RMSE of energies (meV/atom) and forces (meV/A) on the test file;
- kept: RMSE of the change of energies and forces on strained and displaced crystals of other elements than those of the
  training file, with the predictions of the starting potential as labels; for replay, with the head `replay`;
- repulsion: of all pairs of the elements of the test file and eleven common ones, the number that attract each other at
  0.5 to 0.8 times the sum of covalent radii, where the starting potential repels;
- seconds: wall time of the run.

`scratch` uses the network of the starting potential with random weights; `scratch-mace` a MACE with 64 channels, which
has learned silicon well before (configs/silicon.yaml).
"""

from __future__ import annotations

import argparse
import csv
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii

import potentials.interop.starting  # noqa: F401  (reads starting potentials)
from potentials.config import parse_config
from potentials.evaluation.evaluate import evaluate, label_config, read_labeled
from potentials.evaluation.predict import predict
from potentials.physics.dimers import dimer_curve
from potentials.potential import Potential, model_file
from potentials.training.fine_tuning.replay import labeled_by
from potentials.training.fine_tuning.replay_structures import replay_structures
from potentials.training.run import train

METHODS = ("full", "replay", "lora", "readouts", "scratch", "scratch-mace")
COLUMNS = (
    *("frames", "method", "seed", "test_energy", "test_forces", "kept_energy", "kept_forces", "attractive_pairs"),
    "seconds",
)
MACE: dict[str, Any] = {
    "name": "mace", "cutoff": 5.0, "channels": 64, "feature_degree": 1, "edge_degree": 3, "correlation": 3,
}  # fmt: skip
COMMON = ("H", "C", "N", "O", "Na", "Al", "Ti", "Fe", "Cu", "Zr", "Au")
_KEPT = 200
"""Structures that are generated to find crystals of other elements."""


def main() -> None:
    """Parse arguments; run what is missing, or print the table of a file of rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("start", nargs="?", type=Path, help="starting potential")
    parser.add_argument("train", nargs="?", help="training file")
    parser.add_argument("test", nargs="?", help="test file")
    parser.add_argument("--output", type=Path, default=Path("fine-tuning.csv"))
    parser.add_argument("--table", type=Path, help="print the table of a file of rows, and stop")
    parser.add_argument("--frames", nargs="+", type=int, default=[20, 203, 5, 80])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--passes", type=int, default=1200, help="training frames evaluated in a run")
    parser.add_argument("--rate", type=float, default=3e-3, help="learning rate of runs that start from the potential")
    parser.add_argument("--replay", type=int, default=300, help="generated structures of replay")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.table is not None:
        print(table(arguments.table))
        return
    torch.set_num_threads(arguments.threads)
    start = model_file.load(arguments.start)
    reference = Reference(start, arguments.test)
    zero = [0, "start", 0, *reference.test_errors(start), 0.0, 0.0, 0, 0.0]
    done = _rows_done(arguments.output)
    if ("0", "start", "0") not in done:
        _append(arguments.output, zero)
    for frames, seed, method in itertools.product(arguments.frames, arguments.seeds, arguments.methods):
        if (str(frames), method, str(seed)) not in done:
            _append(arguments.output, run(arguments, reference, frames, method, seed))


class Reference:
    """What fine-tuned potentials are compared with.

    Args:
        start: the starting potential.
        test: file of test frames.
    """

    def __init__(self, start: Potential, test: str) -> None:
        self.start = start
        self.frames = read_labeled(test, label_config({}, stress=None), ())
        new = {symbol for frame in self.frames for symbol in frame.frame.atoms.get_chemical_symbols()}
        others = [symbol for symbol in start.elements if symbol not in new]
        self.labels = [a for a in labeled_by(start, replay_structures(start, _KEPT, 1234, others)) if a.pbc.all()]
        self.crystals = [Atoms(a.numbers, positions=a.positions, cell=a.cell, pbc=a.pbc) for a in self.labels]
        pairs = [*itertools.combinations_with_replacement(sorted(new), 2)]
        pairs += [(symbol, other) for symbol in sorted(new) for other in COMMON if other in start.elements]
        pairs += [(symbol, symbol) for symbol in COMMON if symbol in start.elements]
        self.pairs = [pair for pair in pairs if not self._attracts(start, pair)]

    def test_errors(self, potential: Potential) -> tuple[float, float]:
        """Return RMSE of energies, meV/atom, and forces, meV/A."""
        errors = evaluate(potential, self.frames).errors.errors
        if errors.energy_per_atom is None or errors.forces is None:
            raise SystemExit("the test frames need energies and forces")
        return 1e3 * errors.energy_per_atom.rmse, 1e3 * errors.forces.rmse

    def changes(self, potential: Potential) -> tuple[float, float]:
        """Return the RMSE of energies, meV/atom, and forces, meV/A, on crystals of other elements."""
        if not all(set(atoms.symbols) <= set(potential.elements) for atoms in self.crystals):
            return float("nan"), float("nan")
        predicted = list(predict(potential, self.crystals))
        energies = [_energy(one) - _energy(other) for one, other in zip(predicted, self.labels, strict=True)]
        forces = [one.get_forces() - other.get_forces() for one, other in zip(predicted, self.labels, strict=True)]
        return 1e3 * float(np.sqrt(np.mean(np.square(energies)))), 1e3 * _rms(forces)

    def attractive_pairs(self, potential: Potential) -> float:
        """Count pairs of elements that attract each other at short distances."""
        known = [pair for pair in self.pairs if set(pair) <= set(potential.elements)]
        return sum(self._attracts(potential, pair) for pair in known)

    def _attracts(self, potential: Potential, pair: tuple[str, str]) -> bool:
        radii = sum(float(covalent_radii[atomic_numbers[symbol]]) for symbol in pair)
        return bool((dimer_curve(potential, pair, (radii * np.linspace(0.5, 0.8, 16)).tolist()).forces < 0).any())


def _energy(atoms: Atoms) -> float:
    return float(atoms.get_potential_energy()) / len(atoms)


def _rms(arrays: Sequence[np.ndarray]) -> float:
    return float(np.sqrt(np.mean(np.concatenate([values.flatten() for values in arrays]) ** 2)))


def run(arguments: argparse.Namespace, reference: Reference, frames: int, method: str, seed: int) -> list[Any]:
    """Train one potential and return its row."""
    with tempfile.TemporaryDirectory() as folder:
        config: dict[str, Any] = {
            "run": f"{folder}/run",
            "seed": seed,
            "data": {
                "train": str(Path(arguments.train).resolve()),
                "train_size": frames,
                "validation": 0.05,
                "batch_size": 4,
                "group_key": "group",
            },
            "loss": {"energy": {"weight": 10}, "forces": {"weight": 100}},
            "train": {"max_epochs": max(1, arguments.passes // frames)},
            "logging": {"report": False},
        }
        epochs = config["train"]["max_epochs"]
        config["train"]["validate_every"] = max(1, epochs // 10)
        if method == "scratch":
            config["model"] = {**reference.start.config.model_dump(mode="json"), "elements": "auto", "scale": "auto"}
            config["model"] |= {"shift": "auto", "average_neighbors": "auto"}
        elif method == "scratch-mace":
            config["model"] = MACE
        else:
            config["start_from"] = str(arguments.start.resolve())
            config["fine_tune"] = {"method": method}
            config["train"]["optimizer"] = {"learning_rate": arguments.rate}
            config["data"]["reference_energies"] = "least-squares"
            if method == "replay":
                config["fine_tune"]["replay"] = {"generate": arguments.replay}
        started = time.monotonic()
        result = train(parse_config(yaml.safe_dump(config)), progress=False)
        seconds = time.monotonic() - started
        potential = model_file.load(result.best)
    new, kept = (potential.select_head(name) if potential.heads else potential for name in ("default", "replay"))
    errors = [*reference.test_errors(new), *reference.changes(kept), reference.attractive_pairs(new)]
    return [frames, method, seed, *errors, round(seconds, 1)]


def _rows_done(path: Path) -> set[tuple[str, str, str]]:
    return {(row["frames"], row["method"], row["seed"]) for row in _rows(path)}


def _rows(path: Path) -> Iterator[dict[str, str]]:
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            yield from csv.DictReader(file)


def _append(path: Path, row: Sequence[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if is_new:
            writer.writerow(COLUMNS)
        writer.writerow([f"{value:.4g}" if isinstance(value, float) else value for value in row])
    print(dict(zip(COLUMNS, row, strict=True)), flush=True)


def table(path: Path) -> str:
    """Return a Markdown table: mean over seeds, and half the range where there are several."""
    found: dict[tuple[int, str], list[dict[str, str]]] = {}
    for row in _rows(path):
        found.setdefault((int(row["frames"]), row["method"]), []).append(row)
    lines = [
        "| frames | method | seeds | test, energy (meV/atom) | test, forces (meV/A) | kept, energy | kept, forces "
        "| attractive pairs | time (s) |",
        "|---" * 9 + "|",
    ]
    for (frames, method), rows in sorted(found.items(), key=lambda item: (item[0][0], _place(item[0][1]))):
        cells = [_cell([float(row[name]) for row in rows]) for name in COLUMNS[3:]]
        lines.append(f"| {frames or '-'} | {method} | {len(rows)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _place(method: str) -> int:
    return METHODS.index(method) if method in METHODS else -1


def _cell(values: list[float]) -> str:
    if any(np.isnan(values)):
        return "-"
    mean = f"{statistics.mean(values):.3g}"
    return mean if len(values) == 1 else f"{mean} ± {(max(values) - min(values)) / 2:.2g}"


if __name__ == "__main__":
    main()
