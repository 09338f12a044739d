"""Train every model family on the built-in ethanol for the same time, and compare size, speed and errors.

    python scripts/compare_families.py --minutes 5 --threads 2 --output families.json

Each family is trained with its own configs/ethanol*.yaml, one after the other in this process. A short rehearsal says
how many epochs fit into the time, so that the learning rate has fallen to its end when the time is over; a family that
is fitted in closed form takes the time it takes. A row is printed when its family is done:

- training step: median of five steps of the configuration's batches, energy, forces and optimiser;
- energy+forces: one molecule through the ASE calculator, moved a little before each call;
- epochs: those that were done, of those that were planned;
- errors: of the best model on the configuration's test frames.
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
from potentials.analysis.rehearsal import rehearse
from potentials.config import families, load_config
from potentials.data.prepare import prepare
from potentials.potential import Potential
from potentials.simulation import PotentialCalculator
from potentials.training.run import train
from potentials.training.run_folder import RunFolder

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
_SHARE = 0.95
"""Of the time that is planned for; what a rehearsal does not see takes the rest."""
_CALLS = 50
_HEAD = (
    "| family | parameters | training step, ms | energy+forces, ms | training, min | epochs | test, forces MAE, meV/A "
    "| RMSE | energy RMSE, meV/atom |\n|---|---|---|---|---|---|---|---|---|"
)


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

    def markdown(self) -> str:
        """A line of the table."""
        step = "-" if self.step_ms is None else f"{self.step_ms:.1f}"
        epochs = "fitted" if self.epochs is None else f"{round(self.epochs, 1):g} of {self.planned_epochs}"
        errors = [1e3 * error for error in (self.forces_mae, self.forces_rmse)]
        cells = (f"{self.parameters:,}", step, f"{self.call_ms:.2f}", f"{self.seconds / 60:.1f}", epochs)
        return (
            f"| {' | '.join((self.family, *cells, *(f'{e:.1f}' for e in errors), f'{1e3 * self.energy_rmse:.2f}'))} |"
        )


def configurations() -> dict[str, Path]:
    """The configuration of each family, in alphabetical order: ethanol-FAMILY, or ethanol itself for its own."""
    named = {family: CONFIGS / f"ethanol-{family}.yaml" for family in families()}
    found = {family: file for family, file in named.items() if file.is_file()}
    plain = CONFIGS / "ethanol.yaml"
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
        rehearsal = rehearse(prepared)
        step_ms = 1e3 * rehearsal.step_seconds
        epochs = planned_epochs(seconds, rehearsal.epoch_seconds)
        limits = [f"train.max_epochs={epochs}", f"train.max_time={seconds:.3f}s", "train.early_stopping=null"]
        config = load_config(file, [f"run={folder}/{family}", *limits])
    result = train(config, progress=False)
    status = RunFolder(config.run).status()
    errors = next(part.errors for part in result.table.parts if part.part == "test") if result.table else None
    if errors is None or errors.forces is None or errors.energy_per_atom is None:
        raise SystemExit(f"{file}: stopped early ({result.reason}), or no energies and forces to test on")
    return Row(
        family=family,
        config=file.name,
        parameters=Potential(prepared.config.model, prepared.reference_energies).num_parameters(),
        step_ms=step_ms,
        call_ms=call_ms(result.best, prepared.tests["test"][0].frame.atoms),
        seconds=status.elapsed,
        epochs=None if epochs is None else status.epoch,
        planned_epochs=epochs,
        forces_mae=errors.forces.mae,
        forces_rmse=errors.forces.rmse,
        energy_rmse=errors.energy_per_atom.rmse,
    )


def call_ms(model: Path, molecule: Atoms) -> float:
    """Milliseconds of the ASE calculator for energy and forces of a molecule that moves by 0.01 A each time."""
    atoms = molecule.copy()
    atoms.calc = PotentialCalculator(model)
    positions, random = atoms.positions.copy(), np.random.default_rng(0)

    def call() -> None:
        atoms.positions = positions + random.normal(scale=0.01, size=positions.shape)
        atoms.get_forces()

    return median_ms(call, _CALLS)


def main() -> None:
    """The command."""
    files = configurations()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0, help="training time of each family (5)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--families", default="", help=f"some of {', '.join(files)}")
    parser.add_argument("--output", type=Path, help="write all figures as JSON")
    options = parser.parse_args()
    chosen = options.families.split(",") if options.families else list(files)
    unknown = [family for family in chosen if family not in files]
    if unknown:
        parser.error(f"--families: unknown {', '.join(unknown)}; with a configuration are {', '.join(files)}")
    if not options.minutes > 0:
        parser.error(f"--minutes: expected a positive number, got {options.minutes:g}")
    left_out = [family for family in families() if family not in files]
    if left_out:
        print(f"without an ethanol configuration in {CONFIGS}: {', '.join(left_out)}", file=sys.stderr)
    torch.set_num_threads(options.threads)
    print(_HEAD, flush=True)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for family in chosen:
            rows.append(compare(family, files[family], 60 * options.minutes, Path(folder)))
            print(rows[-1].markdown(), flush=True)
    if options.output:
        about = {"machine": machine(), "threads": options.threads, "minutes": options.minutes}
        options.output.write_text(json.dumps({**about, "families": [asdict(row) for row in rows]}, indent=1) + "\n")


if __name__ == "__main__":
    main()
