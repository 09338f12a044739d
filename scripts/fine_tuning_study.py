"""Fine-tune a potential on few and many frames by each method, and compare with training from scratch.

    python scripts/fine_tuning_study.py 7net-0.potential train.xyz test.xyz --kept 7net-l3i5.potential \\
        --output docs/data/fine-tuning.csv
    python scripts/fine_tuning_study.py --table docs/data/fine-tuning.csv

A row is written for each run, and runs that have a row are skipped, so the study can be continued. All runs of a number
of frames use the training frames equally often (`--passes`), so the time is about the same for all methods but replay,
which adds its own frames. Columns:

- test errors: RMSE of energies (meV/atom) and forces (meV/A) on the test file;
- changed: RMSE of the change of energies and forces on crystals of elements that the test file lacks, strained by up to
  3 % and displaced by 0.07 A; for replay, with the head `replay`;
- kept: RMSE on these crystals with the predictions of a potential of the same level of theory, which is more accurate
  than the starting potential (`--kept`), as labels. The error of the starting potential itself is in the first row;
- repulsion: of all pairs of the elements of the test file and eleven common ones, the number that attract each other at
  0.5 to 0.8 times the sum of covalent radii, where the starting potential repels;
- seconds: wall time of the run.

`scratch` uses the network of the starting potential with random weights; `scratch-mace` a MACE with 64 channels, that
of configs/silicon.yaml, with ten times as many passes.
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
from ase.build import bulk, make_supercell
from ase.data import atomic_numbers, covalent_radii, reference_states

import potentials.interop.starting  # noqa: F401  (reads starting potentials)
from potentials.config import parse_config
from potentials.evaluation.evaluate import evaluate, label_config, read_labeled
from potentials.evaluation.predict import predict
from potentials.physics.dimers import dimer_curve
from potentials.potential import Potential, model_file
from potentials.training.run import train

METHODS = ("full", "replay", "lora", "readouts", "scratch", "scratch-mace")
COLUMNS = (
    *("frames", "method", "seed", "test_energy", "test_forces", "changed_energy", "changed_forces"),
    *("kept_energy", "kept_forces", "attractive_pairs", "seconds"),
)
MACE: dict[str, Any] = {
    "name": "mace", "cutoff": 5.0, "channels": 64, "feature_degree": 1, "edge_degree": 3, "correlation": 3,
}  # fmt: skip
COMMON = ("H", "C", "N", "O", "Na", "Al", "Ti", "Fe", "Cu", "Zr", "Au")
COMPOUNDS = {
    "rocksalt": {
        "NaCl": 5.64, "MgO": 4.21, "LiF": 4.03, "KBr": 6.60, "CaO": 4.81, "TiN": 4.24, "TiC": 4.33, "PbTe": 6.46,
        "NiO": 4.18,
    },
    "zincblende": {"GaAs": 5.65, "InP": 5.87, "ZnS": 5.41, "AlN": 4.38, "BN": 3.62, "CdTe": 6.48, "CuCl": 5.42},
    "cesiumchloride": {"CsCl": 4.12, "NiAl": 2.89, "FeAl": 2.90, "CuZn": 2.95},
}  # fmt: skip
"""Lattice constants, A."""
EXCLUDED = ("He", "Ne", "Ar", "Kr", "Xe", "Se", "Te")
"""Noble gases, and elements whose structures ASE does not build."""
_RATIO = 8
"""Replayed frames in an epoch for each training frame, if there are enough of them."""


def main() -> None:
    """Parse arguments; run what is missing, or print the table of a file of rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("start", nargs="?", type=Path, help="starting potential")
    parser.add_argument("train", nargs="?", help="training file")
    parser.add_argument("test", nargs="?", help="test file")
    parser.add_argument("--kept", type=Path, help="potential that labels the crystals of other elements")
    parser.add_argument("--output", type=Path, default=Path("fine-tuning.csv"))
    parser.add_argument("--table", type=Path, help="print the table of a file of rows, and stop")
    parser.add_argument("--frames", nargs="+", type=int, default=[20, 203, 5, 80])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--passes", type=int, default=1200, help="training frames evaluated in a run")
    parser.add_argument("--batch-size", type=int, default=4, help="training frames in a step")
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate of runs that start from the potential")
    parser.add_argument("--energy-weight", type=float, default=1000.0)
    parser.add_argument("--replay", type=int, default=1500, help="generated structures of replay")
    parser.add_argument("--replay-weight", type=float, default=5.0)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.table is not None:
        print(table(arguments.table))
        return
    torch.set_num_threads(arguments.threads)
    start = model_file.load(arguments.start)
    reference = Reference(start, arguments.test, arguments.kept)
    zero = [0, "start", 0, *reference.test_errors(start), *reference.changes(start), 0, 0.0]
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
        kept: potential that labels the crystals of other elements, besides the starting one.
    """

    def __init__(self, start: Potential, test: str, kept: Path | None) -> None:
        self.start = start
        self.frames = read_labeled(test, label_config({}, stress=None), ())
        new = {symbol for frame in self.frames for symbol in frame.frame.atoms.get_chemical_symbols()}
        self.crystals = list(crystals([symbol for symbol in start.elements if symbol not in new]))
        labels = [start] if kept is None else [start, model_file.load(kept)]
        self.labels = [list(predict(potential, self.crystals)) for potential in labels]
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

    def changes(self, potential: Potential) -> list[float]:
        """Return the RMSE of energies, meV/atom, and forces, meV/A, on crystals of other elements.

        First with labels of the starting potential, then with those of the other.
        """
        if not all(set(atoms.symbols) <= set(potential.elements) for atoms in self.crystals):
            return [float("nan")] * 4
        predicted = list(predict(potential, self.crystals))
        found = []
        for labels in self.labels:
            pairs = list(zip(predicted, labels, strict=True))
            energies = np.array([_energy(one) - _energy(other) for one, other in pairs])
            found += [
                1e3 * _rms([energies]),
                1e3 * _rms([one.get_forces() - other.get_forces() for one, other in pairs]),
            ]
        return found if len(found) == 4 else [*found, float("nan"), float("nan")]

    def attractive_pairs(self, potential: Potential) -> float:
        """Count pairs of elements that attract each other at short distances."""
        known = [pair for pair in self.pairs if set(pair) <= set(potential.elements)]
        return sum(self._attracts(potential, pair) for pair in known)

    def _attracts(self, potential: Potential, pair: tuple[str, str]) -> bool:
        radii = sum(float(covalent_radii[atomic_numbers[symbol]]) for symbol in pair)
        return bool((dimer_curve(potential, pair, (radii * np.linspace(0.5, 0.8, 16)).tolist()).forces < 0).any())


def crystals(elements: Sequence[str]) -> Iterator[Atoms]:
    """Yield strained and displaced crystals at about their experimental volumes, of 8 atoms."""
    rng = np.random.default_rng(5)
    for structure, compounds in (("", dict.fromkeys(elements, 0.0)), *COMPOUNDS.items()):
        for formula, constant in compounds.items():
            if structure:
                cell = bulk(formula, structure, a=constant)
            else:
                known = (reference_states[atomic_numbers[formula]] or {}).get("symmetry")
                if known not in ("fcc", "bcc", "hcp", "diamond") or formula in EXCLUDED:
                    continue
                cell = bulk(formula)
            if set(cell.symbols) <= set(elements):
                atoms = make_supercell(cell, np.diag([2, 2, 2 if len(cell) == 1 else 1]))
                strain = rng.uniform(-0.03, 0.03, (3, 3))
                atoms.set_cell(atoms.cell.array @ (np.eye(3) + (strain + strain.T) / 2), scale_atoms=True)
                atoms.positions += rng.normal(size=(len(atoms), 3)) * 0.07
                yield atoms


def _energy(atoms: Atoms) -> float:
    return float(atoms.get_potential_energy()) / len(atoms)


def _rms(arrays: Sequence[np.ndarray]) -> float:
    return float(np.sqrt(np.mean(np.concatenate([values.flatten() for values in arrays]) ** 2)))


def run(arguments: argparse.Namespace, reference: Reference, frames: int, method: str, seed: int) -> list[Any]:
    """Train one potential and return its row."""
    with tempfile.TemporaryDirectory() as folder:
        config = configuration(arguments, reference.start, frames, method) | {"run": f"{folder}/run", "seed": seed}
        started = time.monotonic()
        result = train(parse_config(yaml.safe_dump(config)), progress=False)
        seconds = time.monotonic() - started
        potential = model_file.load(result.best)
    new, kept = (potential.select_head(name) if potential.heads else potential for name in ("default", "replay"))
    errors = [*reference.test_errors(new), *reference.changes(kept), reference.attractive_pairs(new)]
    return [frames, method, seed, *errors, round(seconds, 1)]


def configuration(arguments: argparse.Namespace, start: Potential, frames: int, method: str) -> dict[str, Any]:
    """Return the configuration of a run, without its folder and seed."""
    epochs, batch_size = max(1, arguments.passes // frames), arguments.batch_size
    config: dict[str, Any] = {
        "data": {
            "train": str(Path(arguments.train).resolve()),
            "train_size": frames,
            "validation": 0.05,
            "group_key": "group",
        },
        "loss": {"energy": {"weight": arguments.energy_weight}, "forces": {"weight": 100}},
        "logging": {"report": False},
    }
    if method == "scratch":
        config["model"] = {**start.config.model_dump(mode="json"), "elements": "auto", "scale": "auto"}
        config["model"] |= {"shift": "auto", "average_neighbors": "auto"}
    elif method == "scratch-mace":
        config["model"], epochs = MACE, 10 * epochs
    else:
        config["start_from"], config["fine_tune"] = str(arguments.start.resolve()), {"method": method}
        config["data"]["reference_energies"] = "least-squares"
        config["train"] = {"optimizer": {"learning_rate": arguments.rate}}
    if method == "replay":
        config["fine_tune"]["replay"] = {"generate": arguments.replay, "weight": arguments.replay_weight}
        # Frames are repeated within an epoch if there are few, and a step uses as many of them as without replay.
        epochs = max(1, round(epochs / max(1, arguments.replay / (_RATIO * frames))))
        batch_size = round(batch_size * (1 + min(_RATIO, arguments.replay / frames)))
    config["data"]["batch_size"] = batch_size
    config["train"] = {**config.get("train", {}), "max_epochs": epochs, "validate_every": max(1, epochs // 10)}
    return config


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
        "| frames | method | seeds | test, energy (meV/atom) | test, forces (meV/Å) | changed, energy | changed, "
        "forces | kept, energy | kept, forces | attractive pairs | time (s) |",
        "|---" * 11 + "|",
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
