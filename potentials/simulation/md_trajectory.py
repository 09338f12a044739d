"""The trajectory of a molecular dynamics run, and continuation from its last frame."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.trajectory import TrajectoryReader, TrajectoryWriter
from ase.io.ulm import InvalidULMFileError

from potentials.data.write import StructureOutput
from potentials.errors import SimulationError

STEP, TIME, STATE = "md_step", "md_time_fs", "md_state"
"""Keys of `Atoms.info` in the frames of a trajectory."""
_RUN = "potentials_md"


@dataclass(frozen=True)
class SavedRun:
    """The last frame of a trajectory with the state needed to continue it."""

    atoms: Atoms
    step: int
    integrator_state: dict[str, Any]
    physics: dict[str, Any]
    """`physics` of the `TrajectoryFile` at the start of the run."""


def copy_structure(atoms: Atoms) -> Atoms:
    """Copy what dynamics changes or depends on: no labels, no further arrays, no calculator."""
    copy = Atoms(
        numbers=atoms.numbers,
        positions=atoms.positions,
        cell=atoms.cell,
        pbc=atoms.pbc,
        tags=atoms.get_tags() if atoms.has("tags") else None,
        masses=atoms.get_masses(),
        momenta=atoms.get_momenta() if atoms.has("momenta") else None,
    )
    # Constraints store properties of a structure, such as bond lengths, so they are never shared.
    copy.set_constraint(deepcopy(atoms.constraints))
    return copy


class TrajectoryFile:
    """Writer of frames with energy, forces, stress where defined, momenta, and the state needed to continue the run.

    A `.traj` file (ASE's own) has full precision, so a continued run is bitwise identical to an uninterrupted one. The
    state of the integrator is stored in the frame itself, so the two cannot get out of step when the program is killed.
    `.extxyz` and `.xyz` files are for other programs: they are rounded and cannot be continued.

    Args:
        path: the file.
        physics: settings that must agree in all parts of the run, for JSON.
        append: append to a `.traj` file.
    """

    def __init__(self, path: Path, physics: dict[str, Any], append: bool) -> None:
        self.path = path
        self.last_step: int | None = None
        """Step of the last frame written by this object."""
        self._writer: TrajectoryWriter | None = None
        self._text = StructureOutput(path)
        if is_continuable(path):
            self._writer = TrajectoryWriter(str(path), mode="a" if append else "w")
            self._writer.set_description({_RUN: physics})
        else:
            path.unlink(missing_ok=True)

    def write(self, atoms: Atoms, step: int, time: float, state: dict[str, Any]) -> None:
        """Append the current frame.

        Args:
            atoms: with the results of its calculator.
            step: number of completed steps.
            time: fs.
            state: of the integrator.
        """
        frame = copy_structure(atoms)
        frame.info = {STEP: step, TIME: time}
        results = atoms.calc.results
        kept = {name: results[name] for name in ("energy", "forces", "stress") if name in results}
        frame.calc = SinglePointCalculator(frame, **kept)
        if self._writer is not None:
            frame.info[STATE] = json.dumps(state)
            self._writer.write(frame)
        else:
            self._text.append(frame)
        self.last_step = step

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()


def is_continuable(path: Path) -> bool:
    """Return whether a run that writes to this file can be continued.

    Raises:
        SimulationError: the name does not end in a suffix of trajectories.
    """
    if path.suffix not in (".traj", ".extxyz", ".xyz"):
        raise SimulationError(f'{path}: expected a trajectory name that ends in ".traj", ".extxyz" or ".xyz"')
    return path.suffix == ".traj"


def read_saved_run(path: Path) -> SavedRun:
    """Read the end of a trajectory to continue it.

    Raises:
        SimulationError: the file was not written by `potentials md`, or contains no complete frame.
    """
    advice = "choose another output or start over with --overwrite"
    if not is_continuable(path):
        raise SimulationError(f"{path} exists, and only .traj files can be continued; {advice}")
    try:
        with TrajectoryReader(str(path)) as trajectory:
            atoms = trajectory[-1]
            description = trajectory.description or {}
    except (InvalidULMFileError, OSError, IndexError, ValueError) as error:
        raise SimulationError(
            f"{path} exists but cannot be continued: it contains no complete frame; {advice}"
        ) from error
    if _RUN not in description or STATE not in atoms.info:
        raise SimulationError(f"{path} exists but was not written by `potentials md`; {advice}")
    return SavedRun(
        atoms=copy_structure(atoms),
        step=atoms.info[STEP],
        integrator_state=json.loads(atoms.info[STATE]),
        physics=description[_RUN],
    )
