"""Train every model family on the same data for the same time, and compare size, speed, errors and dynamics.

    python scripts/compare_families.py ethanol --minutes 5 --threads 2 --output families.json

Each family is trained with its own configs/ethanol*.yaml (or copper, or acac), sequentially in this process. A short
rehearsal estimates the number of epochs that fit into the time, so that the learning rate reaches its final value at
the end; for families that are fitted in closed form, the time is not limited. A row is printed after each family:

- training step: median of five steps with the batches of the configuration, including energy, forces and optimizer; the
  best of three such measurements;
- energy+forces: one test frame through the ASE calculator, slightly displaced before each call;
- epochs: completed and planned epochs;
- errors: errors of the best model on the test frames of the configuration;
- NVE: from the first test frame, with velocities of 300 K and a time step of 0.5 fs: the largest deviation of the total
  energy in 1 ps, or the time at which the dynamics failed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from benchmark import machine, median_ms

import potentials.models  # noqa: F401  (registers the families)
from potentials.config import families, load_config
from potentials.data.prepare import prepare
from potentials.errors import SimulationError
from potentials.potential import Potential, PotentialCalculator
from potentials.setup.rehearsal import rehearse
from potentials.simulation import MDSettings, run_md
from potentials.training.lifecycle.run_folder import RunFolder
from potentials.training.run import train

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
DATA = ("ethanol", "copper", "acac")
_SHARE = 0.95
"""Fraction of the time that is planned for epochs; the rest is overhead that the rehearsal does not measure."""
_CALLS = 50
_REHEARSALS = 3
_HEAD = (
    "| family | parameters | training step, ms | energy+forces, ms | training, min | epochs | test, forces MAE, meV/A "
    "| RMSE | energy RMSE, meV/atom | NVE, meV/atom |\n|---|---|---|---|---|---|---|---|---|---|"
)
_NVE = MDSettings(ensemble="nve", temperature=300.0, timestep=0.5, steps=2000)


@dataclass(frozen=True)
class Row:
    """Results for one family."""

    family: str
    config: str
    parameters: int
    step_ms: float | None
    """None for a fit in closed form, like the epochs."""
    call_ms: float
    seconds: float
    epochs: float | None
    planned_epochs: int | None
    forces_mae: float
    """eV/A, like the next attribute."""
    forces_rmse: float
    energy_rmse: float
    """eV/atom."""
    energy_deviation: float | None
    """Deviation of the total energy in 1 ps of NVE, eV/atom; None if the dynamics failed."""
    dynamics: str
    """Reason for a failure of the dynamics."""

    def markdown(self) -> str:
        """Format a row of the table."""
        step = "-" if self.step_ms is None else f"{self.step_ms:.1f}"
        epochs = "fitted" if self.epochs is None else f"{round(self.epochs, 1):g} of {self.planned_epochs}"
        errors = [1e3 * error for error in (self.forces_mae, self.forces_rmse)]
        cells = (f"{self.parameters:,}", step, f"{self.call_ms:.2f}", f"{self.seconds / 60:.1f}", epochs)
        deviation = self.dynamics if self.energy_deviation is None else f"{1e3 * self.energy_deviation:.2f}"
        found = (*(f"{e:.1f}" for e in errors), f"{1e3 * self.energy_rmse:.2f}", deviation)
        return f"| {' | '.join((self.family, *cells, *found))} |"


def configurations(data: str) -> dict[str, Path]:
    """Return the configuration of each family in alphabetical order: DATA-FAMILY, or DATA for the family it names."""
    named = {family: CONFIGS / f"{data}-{family}.yaml" for family in families()}
    found = {family: file for family, file in named.items() if file.is_file()}
    plain = CONFIGS / f"{data}.yaml"
    return dict(sorted({load_config(plain).model.name: plain, **found}.items()))


def planned_epochs(seconds: float, epoch_seconds: float) -> int:
    """Return the number of epochs that fit into the time, at least one."""
    return max(1, int(_SHARE * seconds / epoch_seconds))


def compare(family: str, file: Path, seconds: float, folder: Path) -> Row:
    """Train a family for the given time in a new folder and measure it."""
    config = load_config(file, [f"run={folder}/{family}"])
    step_ms = epochs = None
    prepared = prepare(config)
    if not config.model.closed_form:
        # A few steps are easily disturbed by other load: the fastest of three rehearsals is the best estimate.
        rehearsals = [rehearse(prepared) for _ in range(_REHEARSALS)]
        step_ms = 1e3 * min(rehearsal.step_seconds for rehearsal in rehearsals)
        epochs = planned_epochs(seconds, min(rehearsal.epoch_seconds for rehearsal in rehearsals))
        limits = [f"train.max_epochs={epochs}", f"train.max_time={seconds:.3f}s", "train.early_stopping=null"]
        config = load_config(file, [f"run={folder}/{family}", *limits])
    result = train(config, progress=False)
    status = RunFolder(config.run).status()
    test, frames = next(iter(prepared.tests.items()))
    errors = next(split.errors for split in result.table.splits if split.split == test) if result.table else None
    if errors is None or errors.forces is None or errors.energy_per_atom is None:
        raise SystemExit(f"{file}: stopped early ({result.reason}), or no test energies and forces")
    start = frames[0].frame.atoms
    deviation, dynamics = nve(result.best, start, folder / f"{family}.traj")
    return Row(
        family=family,
        config=file.name,
        parameters=Potential(prepared.config.model, prepared.reference_energies).num_parameters(),
        step_ms=step_ms,
        call_ms=call_ms(result.best, start),
        seconds=status.elapsed,
        epochs=None if epochs is None else status.epoch,
        planned_epochs=epochs,
        forces_mae=errors.forces.mae,
        forces_rmse=errors.forces.rmse,
        energy_rmse=errors.energy_per_atom.rmse,
        energy_deviation=deviation,
        dynamics=dynamics,
    )


def nve(model: Path, start: Atoms, trajectory: Path) -> tuple[float | None, str]:
    """Measure the largest deviation of the total energy in 1 ps, eV/atom; None and the time if the dynamics failed."""
    try:
        result = run_md(PotentialCalculator(model), start, _NVE, trajectory, progress=False)
    except SimulationError as error:
        print(f"{model}: {error}", file=sys.stderr)
        return None, f"failed at {str(error).partition(':')[0]}"
    return (1e-3 * result.drift.largest if result.drift else None), ""


def call_ms(model: Path, start: Atoms) -> float:
    """Measure the time (ms) of the ASE calculator for energy and forces of a structure displaced by 0.01 A per call."""
    atoms = start.copy()
    atoms.calc = PotentialCalculator(model)
    positions, random = atoms.positions.copy(), np.random.default_rng(0)

    def call() -> None:
        atoms.positions = positions + random.normal(scale=0.01, size=positions.shape)
        atoms.get_forces()

    return median_ms(call, _CALLS)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=DATA, nargs="?", default=DATA[0], help="training data (ethanol)")
    parser.add_argument("--minutes", type=float, default=5.0, help="training time per family (5)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--families", default="", help=f"families to compare, of {', '.join(families())}")
    parser.add_argument("--output", type=Path, help="write all results as JSON")
    options = parser.parse_args()
    files = configurations(options.data)
    chosen = options.families.split(",") if options.families else list(files)
    unknown = [family for family in chosen if family not in files]
    if unknown:
        parser.error(f"--families: unknown {', '.join(unknown)}; families with a configuration: {', '.join(files)}")
    if not options.minutes > 0:
        parser.error(f"--minutes: expected a positive number, got {options.minutes:g}")
    left_out = [family for family in families() if family not in files]
    if left_out:
        print(f"no configuration for {options.data} in {CONFIGS}: {', '.join(left_out)}", file=sys.stderr)
    torch.set_num_threads(options.threads)
    print(_HEAD, flush=True)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for family in chosen:
            rows.append(compare(family, files[family], 60 * options.minutes, Path(folder)))
            print(rows[-1].markdown(), flush=True)
    if options.output:
        about = {"data": options.data, "machine": machine(), "threads": options.threads, "minutes": options.minutes}
        options.output.write_text(json.dumps({**about, "families": [asdict(row) for row in rows]}, indent=1) + "\n")


if __name__ == "__main__":
    main()
