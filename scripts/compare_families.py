"""Train every model family on the same data for the same time, and compare size, speed, errors and dynamics.

    python scripts/compare_families.py ethanol --minutes 5 --threads 2 --output families.json

Each family is trained with its own configs/ethanol*.yaml (or copper, or acac), one after the other in this process. A
short rehearsal says how many epochs fit into the time, so that the learning rate has fallen to its end when the time is
over; a family that is fitted in closed form takes the time it takes. A row is printed when its family is done:

- training step: median of five steps of the configuration's batches, energy, forces and optimiser, the best of three;
- energy+forces: one test frame through the ASE calculator, moved a little before each call;
- epochs: those that were done, of those that were planned;
- errors: of the best model on the configuration's test frames;
- NVE: from the first test frame, with velocities of 300 K and steps of 0.5 fs: the largest deviation of the total
  energy in 1 ps, or when the dynamics went wrong.
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

import potentials.models  # noqa: F401  (enters the families)
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
"""Of the time that is planned for; what a rehearsal does not see takes the rest."""
_CALLS = 50
_REHEARSALS = 3
_HEAD = (
    "| family | parameters | training step, ms | energy+forces, ms | training, min | epochs | test, forces MAE, meV/A "
    "| RMSE | energy RMSE, meV/atom | NVE, meV/atom |\n|---|---|---|---|---|---|---|---|---|---|"
)
_NVE = MDSettings(ensemble="nve", temperature=300.0, timestep=0.5, steps=2000)


@dataclass(frozen=True)
class Row:
    """What was found of a family."""

    family: str
    config: str
    parameters: int
    step_ms: float | None
    """`None` for a fit in closed form, as are the epochs."""
    call_ms: float
    seconds: float
    epochs: float | None
    planned_epochs: int | None
    forces_mae: float
    """eV/A, as the next."""
    forces_rmse: float
    energy_rmse: float
    """eV/atom."""
    energy_deviation: float | None
    """eV/atom, of the total energy in 1 ps of NVE; `None` where the dynamics went wrong."""
    dynamics: str
    """What went wrong."""

    def markdown(self) -> str:
        """A line of the table."""
        step = "-" if self.step_ms is None else f"{self.step_ms:.1f}"
        epochs = "fitted" if self.epochs is None else f"{round(self.epochs, 1):g} of {self.planned_epochs}"
        errors = [1e3 * error for error in (self.forces_mae, self.forces_rmse)]
        cells = (f"{self.parameters:,}", step, f"{self.call_ms:.2f}", f"{self.seconds / 60:.1f}", epochs)
        deviation = self.dynamics if self.energy_deviation is None else f"{1e3 * self.energy_deviation:.2f}"
        found = (*(f"{e:.1f}" for e in errors), f"{1e3 * self.energy_rmse:.2f}", deviation)
        return f"| {' | '.join((self.family, *cells, *found))} |"


def configurations(data: str) -> dict[str, Path]:
    """The configuration of each family for the data, in alphabetical order: DATA-FAMILY, or DATA itself for its own."""
    named = {family: CONFIGS / f"{data}-{family}.yaml" for family in families()}
    found = {family: file for family, file in named.items() if file.is_file()}
    plain = CONFIGS / f"{data}.yaml"
    return dict(sorted({load_config(plain).model.name: plain, **found}.items()))


def planned_epochs(seconds: float, epoch_seconds: float) -> int:
    """How many epochs fit into the time; one at least."""
    return max(1, int(_SHARE * seconds / epoch_seconds))


def compare(family: str, file: Path, seconds: float, folder: Path) -> Row:
    """Train a family for so long in a new folder, and measure it."""
    config = load_config(file, [f"run={folder}/{family}"])
    step_ms = epochs = None
    prepared = prepare(config)
    if not config.model.closed_form:
        # A few steps are easily disturbed: the quickest of three rehearsals comes closest to the truth.
        rehearsals = [rehearse(prepared) for _ in range(_REHEARSALS)]
        step_ms = 1e3 * min(rehearsal.step_seconds for rehearsal in rehearsals)
        epochs = planned_epochs(seconds, min(rehearsal.epoch_seconds for rehearsal in rehearsals))
        limits = [f"train.max_epochs={epochs}", f"train.max_time={seconds:.3f}s", "train.early_stopping=null"]
        config = load_config(file, [f"run={folder}/{family}", *limits])
    result = train(config, progress=False)
    status = RunFolder(config.run).status()
    test, frames = next(iter(prepared.tests.items()))
    errors = next(part.errors for part in result.table.parts if part.part == test) if result.table else None
    if errors is None or errors.forces is None or errors.energy_per_atom is None:
        raise SystemExit(f"{file}: stopped early ({result.reason}), or no energies and forces to test on")
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
    """Largest deviation of the total energy in 1 ps, eV/atom; or None, and when the dynamics went wrong."""
    try:
        result = run_md(PotentialCalculator(model), start, _NVE, trajectory, progress=False)
    except SimulationError as error:
        print(f"{model}: {error}", file=sys.stderr)
        return None, f"failed at {str(error).partition(':')[0]}"
    return (1e-3 * result.drift.largest if result.drift else None), ""


def call_ms(model: Path, start: Atoms) -> float:
    """Milliseconds of the ASE calculator for energy and forces of a structure that moves by 0.01 A each time."""
    atoms = start.copy()
    atoms.calc = PotentialCalculator(model)
    positions, random = atoms.positions.copy(), np.random.default_rng(0)

    def call() -> None:
        atoms.positions = positions + random.normal(scale=0.01, size=positions.shape)
        atoms.get_forces()

    return median_ms(call, _CALLS)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=DATA, nargs="?", default=DATA[0], help="what to train on (ethanol)")
    parser.add_argument("--minutes", type=float, default=5.0, help="training time of each family (5)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--families", default="", help=f"some of {', '.join(families())}")
    parser.add_argument("--output", type=Path, help="write all figures as JSON")
    options = parser.parse_args()
    files = configurations(options.data)
    chosen = options.families.split(",") if options.families else list(files)
    unknown = [family for family in chosen if family not in files]
    if unknown:
        parser.error(f"--families: unknown {', '.join(unknown)}; with a configuration are {', '.join(files)}")
    if not options.minutes > 0:
        parser.error(f"--minutes: expected a positive number, got {options.minutes:g}")
    left_out = [family for family in families() if family not in files]
    if left_out:
        print(f"without a configuration of {options.data} in {CONFIGS}: {', '.join(left_out)}", file=sys.stderr)
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
