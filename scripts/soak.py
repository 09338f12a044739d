"""Soak test: memory during hours of training, and memory and energy drift over a million steps of dynamics.

    python scripts/soak.py train --hours 2 --output soak
    python scripts/soak.py md soak/run/best.potential --steps 1000000 --output soak

Each test runs the command line in a separate process and samples, every few seconds, the memory of that process and of
its worker processes (resident set size, in total and of the largest process). Samples are written to
OUTPUT/train-memory.csv or md-memory.csv. The results, printed and written to OUTPUT/train.json or md.json, are medians
over ten time intervals and the slope of a linear fit to the second half, with its standard error. Training uses
configs/quickstart.yaml with worker processes, EMA, a plateau schedule, a second stage and an offline wandb run.
Dynamics is NVE of the built-in ethanol at 300 K with a time step of 0.5 fs.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from potentials.simulation.md_log import energy_drift, read_log

ROOT = Path(__file__).resolve().parents[1]
_SECONDS = 5.0
"""Seconds between samples."""
_SLICES = 10
_MEGABYTE = 1e6


def main() -> None:
    """Run one of the tests."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="part", required=True)
    train = parts.add_parser("train", help="hours of training")
    train.add_argument("--hours", type=float, default=2.0)
    train.add_argument("--workers", type=int, default=1, help="worker processes of the data loader")
    md = parts.add_parser("md", help="many steps of dynamics")
    md.add_argument("model", type=Path)
    md.add_argument("--steps", type=int, default=1_000_000)
    for part in (train, md):
        part.add_argument("--output", type=Path, default=Path("soak"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    command = _training(arguments) if arguments.part == "train" else _dynamics(arguments)
    samples = _watch(command, arguments.output / f"{arguments.part}-memory.csv")
    figures = {"command": " ".join(command), **_memory_figures(samples)}
    output = arguments.output
    figures |= _metrics(output / "run") if arguments.part == "train" else _energy(output / "md.traj")
    text = json.dumps(figures, indent=1)
    (arguments.output / f"{arguments.part}.json").write_text(text + "\n")
    print(text)


def _training(arguments: argparse.Namespace) -> list[str]:
    minutes = round(60 * arguments.hours)
    settings = [
        f"run={arguments.output / 'run'}",
        f"data.workers={arguments.workers}",
        "train.max_epochs=1000000",
        f"train.max_time={minutes}m",
        # An epoch takes about two seconds.
        f"train.second_stage={{start: {max(1, 7 * minutes)}, learning_rate: 0.0005, "
        "loss: {energy: {weight: 1000}, forces: {weight: 100}}}",
        "train.schedule={name: plateau, patience: 20}",
        "logging.wandb={mode: offline}",
        "logging.report=false",
    ]
    return [sys.executable, "-m", "potentials", "train", str(ROOT / "configs/quickstart.yaml"), *settings]


def _dynamics(arguments: argparse.Namespace) -> list[str]:
    output = str(arguments.output / "md.traj")
    options = ["--ensemble", "nve", "--temperature", "300", "--timestep", "0.5", "--steps", str(arguments.steps)]
    options += ["--every", "1000", "--output", output, "--overwrite"]
    return [sys.executable, "-m", "potentials", "md", str(arguments.model), "builtin:ethanol", *options]


def _watch(command: list[str], file: Path) -> NDArray[np.float64]:
    """Run a command; return time (s), memory of all its processes and of the largest (bytes), [samples, 3]."""
    start = time.monotonic()
    samples: list[tuple[float, float, float]] = []
    with file.open("w", newline="") as lines, subprocess.Popen(command, cwd=ROOT) as process:
        writer = csv.writer(lines)
        writer.writerow(["seconds", "all_processes_mb", "largest_process_mb"])
        while process.poll() is None:
            sizes = _sizes(process.pid)
            if sizes:
                samples.append((time.monotonic() - start, sum(sizes), max(sizes)))
                writer.writerow([f"{samples[-1][0]:.1f}", *(f"{size / _MEGABYTE:.1f}" for size in samples[-1][1:])])
                lines.flush()
            time.sleep(_SECONDS)
    if process.returncode:
        sys.exit(f"the command ended with exit code {process.returncode}: {' '.join(command)}")
    return np.array(samples)


def _sizes(pid: int) -> list[float]:
    """Return the resident memory (bytes) of a process and all its children, without processes that are exiting."""
    sizes = []
    try:
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            sizes.append(float(process.memory_info().rss))
    except psutil.NoSuchProcess:
        return []
    return sizes


def _memory_figures(samples: NDArray[np.float64]) -> dict[str, Any]:
    hours = samples[:, 0] / 3600
    figures: dict[str, Any] = {"hours": round(float(hours[-1]), 3), "samples": len(samples)}
    for name, sizes in (("all_processes", samples[:, 1]), ("largest_process", samples[:, 2])):
        megabytes = sizes / _MEGABYTE
        second = hours > hours[-1] / 2
        (slope, _), covariance = np.polyfit(hours[second], megabytes[second], 1, cov=True)
        figures[name] = {
            "medians_mb": [round(float(np.median(part)), 1) for part in np.array_split(megabytes, _SLICES)],
            "largest_mb": round(float(megabytes.max()), 1),
            "slope_of_second_half_mb_per_hour": [round(float(slope), 2), round(float(np.sqrt(covariance[0, 0])), 2)],
        }
    return figures


def _metrics(run: Path) -> dict[str, Any]:
    """Return metrics of the last validation, and the number of validations."""
    with (run / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    last = rows[-1]
    names = ("epoch", "step", "stage", "forces_rmse_meV_per_A", "energy_per_atom_rmse_meV")
    return {name: float(last[name]) for name in names} | {"validations": len(rows)}


def _energy(trajectory: Path) -> dict[str, Any]:
    """Compute drift and deviation of the total energy of an NVE run from its log."""
    records = read_log(trajectory.with_suffix(".csv"))
    drift = energy_drift(records)
    if drift is None:
        sys.exit(f"{trajectory}: the log is too short to compute a drift")
    total = 1e3 * np.array([record.total_energy_per_atom_eV for record in records])
    return {
        "steps": records[-1].step,
        "picoseconds": records[-1].time_fs / 1000,
        "drift_mev_per_atom_per_ps": drift.slope,
        "largest_deviation_mev_per_atom": drift.largest,
        "standard_deviation_mev_per_atom": float(total.std()),
        "mean_temperature_K": float(np.mean([record.temperature_K for record in records])),
    }


if __name__ == "__main__":
    main()
