"""Run many steps of `potentials md` with every family and check that energies and forces stay finite.

    python scripts/long_dynamics.py runs/long-dynamics --steps 1000000

The command trains a small potential of each family on copper-gold crystals labeled with ASE's EMT, then runs Langevin
dynamics at 600 K with several seeds, so that distances cross all knots of the splines, and prints a line for each run.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

MODELS = {
    "mace": "channels: 8, feature_degree: 1, layers: 2, zbl: true",
    "nequip": "channels: 8, degree: 1, layers: 2, zbl: true",
    "allegro": "channels: 8, degree: 1, layers: 1, zbl: true",
    "e3x": "channels: 8, degree: 1, layers: 2, zbl: true",
    "ponita": "channels: 8, layers: 1, zbl: true",
    "schnet": "channels: 16, layers: 2, zbl: true",
    "ace": "polynomial_degree: 6, correlation: 2, zbl: true",
}
TRAINING = "train: {max_epochs: 40, optimizer: {name: adam, learning_rate: 0.01}}"
CONFIG = """\
run: {folder}
seed: 1
data: {{train: {data}, validation: 0.1, stress: stress}}
model: {{name: {family}, cutoff: 4.5, {model}}}
loss: {{energy: {{weight: 1}}, forces: {{weight: 10}}, stress: {{weight: 100}}}}
{training}
logging: {{report: false}}
"""


def labeled_crystals(number: int) -> list[Atoms]:
    """Create rattled, strained crystals of copper and gold with energy, forces and stress of EMT."""
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(number):
        atoms = bulk("Cu", "fcc", a=3.75, cubic=True) * (1, 1, 2)
        atoms.symbols[rng.random(len(atoms)) < 0.5] = "Au"
        atoms.set_cell(atoms.cell @ (np.eye(3) + 0.04 * rng.standard_normal((3, 3))), scale_atoms=True)
        atoms.positions += rng.choice([0.08, 0.2]) * rng.standard_normal(atoms.positions.shape)
        atoms.calc = EMT()
        labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(), "stress": atoms.get_stress()}
        atoms.calc = SinglePointCalculator(atoms, **labels)
        frames.append(atoms)
    return frames


def potentials_command(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the `potentials` command of this environment."""
    command = [str(Path(sys.executable).parent / "potentials"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def trained(folder: Path, family: str, data: Path) -> Path:
    """Return the model file of a family; train it if it does not exist."""
    model = folder / family / "best.potential"
    if not model.exists():
        training = "" if family == "ace" else TRAINING
        config = folder / f"{family}.yaml"
        settings = {"folder": folder.resolve() / family, "data": data.resolve(), "family": family}
        config.write_text(CONFIG.format(model=MODELS[family], training=training, **settings))
        done = potentials_command("train", config)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
    return model


def main() -> None:
    """Train, run and report; exit with code 1 if a run failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=1_000_000, help="total number of steps of all runs")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--temperature", type=float, default=600.0)
    parser.add_argument(
        "--families", nargs="+", choices=list(MODELS), default=list(MODELS), help="families, in this order"
    )
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    data, start = options.folder / "crystals.xyz", options.folder / "start.xyz"
    if not data.exists():
        ase.io.write(data, labeled_crystals(80), format="extxyz")
    crystal = bulk("Cu", "fcc", a=3.8, cubic=True)
    crystal.symbols[:2] = "Au"
    ase.io.write(start, crystal, format="extxyz")
    steps = -(-options.steps // (len(options.families) * options.seeds))
    failed = 0
    for family in options.families:
        model = trained(options.folder, family, data)
        for seed in range(options.seeds):
            output = options.folder / f"{family}-{seed}.traj"
            began = time.perf_counter()
            settings = ["--ensemble", "langevin", "--temperature", options.temperature, "--friction", 0.02]
            written = ["--every", 1000, "--output", output, "--overwrite"]
            done = potentials_command("md", model, start, *settings, "--steps", steps, "--seed", seed, *written)
            failed += done.returncode != 0
            reason = re.sub(r"\s+", " ", (done.stdout + done.stderr)[-300:]) if done.returncode else ""
            duration = time.perf_counter() - began
            print(
                f"{family} seed {seed}: {steps} steps, exit code {done.returncode}, {duration:.0f} s {reason}",
                flush=True,
            )
    print(f"{steps * len(options.families) * options.seeds} steps, {failed} runs failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
