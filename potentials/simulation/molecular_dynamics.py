"""Molecular dynamics with bitwise identical continuation, which stops when the simulation diverges."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator

from potentials.errors import DataError, SimulationError
from potentials.potential import PotentialCalculator
from potentials.simulation.constraints import (
    check_dynamics_constraints,
    constraint_descriptions,
    constraint_errors,
)
from potentials.simulation.md_integrators import integrator_state, make_integrator, restore_integrator, set_temperature
from potentials.simulation.md_log import EnergyDrift, MDLog, MDRecord, check_log, energy_drift, iterate_log, read_log
from potentials.simulation.md_progress import StopRequest, simulation_progress
from potentials.simulation.md_settings import MDSettings
from potentials.simulation.md_trajectory import SavedRun, TrajectoryFile, copy_structure, is_continuable, read_saved_run
from potentials.simulation.md_velocities import degrees_of_freedom, draw_velocities, kinetic_temperature

EXPLOSION_FACTOR = 10.0
"""A run is stopped when its temperature exceeds the target (or 500 K, if that is more) by this factor."""


_STRUCTURE_WORDS = {
    "elements": "the elements of the initial structure differ",
    "masses": "the masses of the initial structure differ",
    "pbc": "the periodic directions (pbc) of the initial structure differ",
    "cell": "the cell of the initial structure differs",
    "constraints": "the constraints of the initial structure differ",
}


@dataclass(frozen=True)
class MDResult:
    """Results of `run_md`."""

    first_step: int
    """Step at which this call started: 0, or the last step of an earlier call."""
    last_step: int
    interrupted: bool
    """Whether the run was stopped by Ctrl-C or SIGTERM; the same call again continues it."""
    drift: EnergyDrift | None
    """Energy drift over the whole run, for `nve`."""
    seconds: float
    """Wall time of the steps of this call."""
    ns_per_day: float
    """Speed of this call; NaN without steps."""
    trajectory: Path
    log: Path

    @property
    def records(self) -> list[MDRecord]:
        """Read the whole log from its file, earlier calls included."""
        return read_log(self.log)

    @property
    def mean_temperature(self) -> float:
        """Mean temperature of the whole run, K."""
        return fmean(record.temperature_K for record in iterate_log(self.log))

    @property
    def mean_pressure(self) -> float:
        """Mean pressure of the whole run, GPa; NaN without a 3D periodic cell."""
        return fmean(record.pressure_GPa for record in iterate_log(self.log))

    @property
    def mean_volume(self) -> float:
        """Mean volume of the whole run, A^3; NaN without a 3D periodic cell."""
        return fmean(record.volume_A3 for record in iterate_log(self.log))


def run_md(
    calculator: Calculator,
    atoms: Atoms,
    settings: MDSettings,
    output: Path | str,
    *,
    overwrite: bool = False,
    progress: bool = True,
) -> MDResult:
    """Run molecular dynamics, or continue the run in `output`.

    Writes the trajectory `output` and a log of the same name with suffix `.csv`: a frame and a row every
    `settings.every` steps and at the end. If `output` exists, the run continues from its last frame until
    `settings.steps` steps in total are done; the result is bitwise identical to that of an uninterrupted run on the
    same machine. Structure, potential and settings must be those of the start; the number of steps may be larger.

    Args:
        calculator: usually a `PotentialCalculator`; any ASE calculator with energy and forces (for `npt`, stress)
            works.
        atoms: the initial structure; not changed.
        settings: see `MDSettings`.
        output: a `.traj` file; `.extxyz` and `.xyz` cannot be continued.
        overwrite: start over if `output` exists.
        progress: show a progress bar on standard error.

    Returns:
        Steps, speed and mean values of the run.

    Raises:
        SimulationError: the run cannot be started or continued; energy or forces are not finite; the temperature
            diverged.
        UnknownElementError: the potential does not support an element of the structure.
    """
    output = Path(output)
    start = _starting_structure(atoms, settings)
    physics = {**settings.physics(), **_structure_facts(start), "model": _model_name(calculator)}
    log_file = output.with_suffix(".csv")
    saved = _find_saved_run(output, overwrite)
    if saved is not None:
        _check_same_run(saved, physics, output)
    check_log(log_file)
    run = _Run(calculator, start, settings, saved)
    began = time.perf_counter()
    try:
        log = MDLog(log_file, keep_to=None if saved is None else saved.step)
        with closing(TrajectoryFile(output, physics, append=saved is not None)) as trajectory:
            interrupted = run.advance(trajectory, log, progress)
    except OSError as error:
        raise SimulationError(
            f"{error.filename or output} cannot be written: {error.strerror}. Earlier frames are in {output}; "
            "free disk space or make the folder writable again, then run the same command to continue"
        ) from error
    seconds = time.perf_counter() - began
    nanoseconds = (run.step - run.first_step) * settings.timestep * 1e-6
    return MDResult(
        first_step=run.first_step,
        last_step=run.step,
        interrupted=interrupted,
        drift=energy_drift(iterate_log(log_file)) if settings.ensemble == "nve" else None,
        seconds=seconds,
        ns_per_day=86400 * nanoseconds / seconds if nanoseconds > 0 else math.nan,
        trajectory=output,
        log=log_file,
    )


class _Run:
    """Current structure, integrator and random generator of a run."""

    def __init__(self, calculator: Calculator, start: Atoms, settings: MDSettings, saved: SavedRun | None) -> None:
        self.settings = settings
        with constraint_errors(start):
            # Constrained atoms have no velocity and no kinetic energy. Constraints also store here, from the initial
            # structure, the values that they keep.
            start.set_momenta(start.get_momenta())
        self.degrees_of_freedom = degrees_of_freedom(start, settings.ensemble)
        self.rng = np.random.default_rng(settings.seed)
        if saved is None and not settings.keep_velocities:
            with constraint_errors(start):
                draw_velocities(start, settings.temperature, self.rng)
        self.atoms = start if saved is None else saved.atoms
        # Constraints in the file do not contain the values that they keep.
        self.atoms.set_constraint(start.constraints)
        self.atoms.calc = calculator
        # Check the structure before any file is changed.
        if not np.isfinite(self.atoms.get_forces(apply_constraint=False)).all():
            raise SimulationError(
                "the structure cannot be simulated: its forces are not finite. Atoms overlap or nearly overlap; "
                "start from another structure"
            )
        self.integrator = make_integrator(self.atoms, settings, self.rng)
        if saved is not None:
            restore_integrator(self.integrator, self.rng, saved.integrator_state)
            self.integrator.nsteps = saved.step
        self.first_step = self.step
        hottest = max(settings.highest_temperature, self.temperature(), 500.0)
        self.explosion_temperature = EXPLOSION_FACTOR * hottest

    @property
    def step(self) -> int:
        return int(self.integrator.nsteps)

    def temperature(self) -> float:
        return kinetic_temperature(self.atoms, self.degrees_of_freedom)

    def advance(self, trajectory: TrajectoryFile, log: MDLog, progress: bool) -> bool:
        """Run the remaining steps; return whether a stop was requested before they were done."""
        settings = self.settings
        last_step = max(settings.steps, self.first_step)
        marked_step, marked_time = self.first_step, time.perf_counter()
        began = marked_time
        with StopRequest() as stop, simulation_progress(progress) as bar:
            task = bar.add_task("", total=last_step, completed=self.step, temperature="", speed="")
            for _ in self._steps(last_step - self.first_step, trajectory):
                self._check_sanity(trajectory)
                now, done = time.perf_counter(), self.step - self.first_step
                if self.step % settings.every == 0 or self.step == last_step or stop.requested:
                    ms_per_step = 1e3 * (now - marked_time) / (self.step - marked_step) if done > 0 else math.nan
                    self._record(trajectory, log, ms_per_step)
                    marked_step, marked_time = self.step, time.perf_counter()
                speed = f"{86400e-6 * done * settings.timestep / (now - began):.3g} ns/day" if done > 0 else ""
                bar.update(task, completed=self.step, temperature=f"{self.temperature():.0f} K", speed=speed)
                if stop.requested:
                    break
                if settings.temperature_end is not None:
                    set_temperature(self.integrator, settings.temperature_at(self.step))
        return self.step < last_step

    def _steps(self, number: int, trajectory: TrajectoryFile) -> Iterator[None]:
        """Yield before the first step and after each."""
        try:
            with constraint_errors(self.atoms):
                for _ in self.integrator.irun(number):
                    yield
        except (DataError, SimulationError) as error:
            raise self._failure(str(error), trajectory) from error

    def _record(self, trajectory: TrajectoryFile, log: MDLog, ms_per_step: float) -> None:
        time_fs = self.step * self.settings.timestep
        if self.step > self.first_step or self.step == 0:
            trajectory.write(self.atoms, self.step, time_fs, integrator_state(self.integrator, self.rng))
        potential_energy, kinetic_energy = self.atoms.get_potential_energy(), self.atoms.get_kinetic_energy()
        total_energy = potential_energy + kinetic_energy
        pressure = volume = math.nan
        if self.atoms.pbc.all():
            volume = self.atoms.get_volume()
            if "stress" in self.atoms.calc.results:
                stress = self.atoms.get_stress(voigt=False, include_ideal_gas=True)
                pressure = -float(np.trace(stress)) / 3 / units.GPa
        log.add(
            MDRecord(
                step=self.step,
                time_fs=time_fs,
                temperature_K=self.temperature(),
                potential_energy_eV=float(potential_energy),
                kinetic_energy_eV=float(kinetic_energy),
                total_energy_eV=float(total_energy),
                total_energy_per_atom_eV=float(total_energy) / len(self.atoms),
                pressure_GPa=pressure,
                volume_A3=float(volume),
                ms_per_step=ms_per_step,
            )
        )

    def _check_sanity(self, trajectory: TrajectoryFile) -> None:
        forces = self.atoms.get_forces(apply_constraint=False)
        if not (np.isfinite(self.atoms.get_potential_energy()) and np.isfinite(forces).all()):
            raise self._failure("energy or forces are not finite", trajectory)
        temperature = self.temperature()
        if not temperature <= self.explosion_temperature:
            asked = self.settings.temperature_at(self.step)
            raise self._failure(
                f"the temperature is {temperature:.4g} K, but the requested one is {asked:g} K", trajectory
            )

    def _failure(self, what: str, trajectory: TrajectoryFile) -> SimulationError:
        step, timestep = trajectory.last_step, self.settings.timestep
        path = trajectory.path
        last = f"No frame was written to {path}" if step is None else f"The last frame in {path} is step {step}"
        return SimulationError(
            f"step {self.step} ({self.step * timestep:g} fs): {what}. The structure has left the range of the "
            f"training data, or the time step of {timestep:g} fs is too long. {last}. Train on such structures, use a "
            "shorter time step or start from a relaxed structure"
        )


def _starting_structure(atoms: Atoms, settings: MDSettings) -> Atoms:
    if len(atoms) == 0:
        raise SimulationError("the structure has no atoms")
    if settings.keep_velocities and not atoms.has("momenta"):
        raise SimulationError("keep_velocities: the structure has no velocities to keep")
    check_dynamics_constraints(atoms)
    return copy_structure(atoms)


def _structure_facts(atoms: Atoms) -> dict[str, Any]:
    """Properties of the initial structure that must agree in all parts of a run, for JSON."""
    whole = _hash(atoms.numbers, atoms.pbc, atoms.positions, np.asarray(atoms.cell), atoms.get_momenta())
    return {"structure": whole, **_lasting_facts(atoms), "cell": _hash(np.asarray(atoms.cell))}


def _lasting_facts(atoms: Atoms) -> dict[str, Any]:
    """Properties of the structure that a run never changes, so that they can be read from each of its frames."""
    return {
        "elements": _hash(atoms.numbers),
        "masses": _hash(atoms.get_masses()),
        "pbc": atoms.pbc.tolist(),
        "constraints": _hash(np.frombuffer("\n".join(constraint_descriptions(atoms)).encode(), dtype=np.uint8)),
    }


def _hash(*parts: np.ndarray) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()[:16]


def _model_name(calculator: Calculator) -> str:
    return calculator.fingerprint() if isinstance(calculator, PotentialCalculator) else type(calculator).__name__


def _find_saved_run(output: Path, overwrite: bool) -> SavedRun | None:
    is_continuable(output)
    if not output.parent.is_dir():
        raise SimulationError(f"the folder of the output {output} does not exist")
    return read_saved_run(output) if output.exists() and not overwrite else None


def _check_same_run(saved: SavedRun, asked: dict[str, Any], output: Path) -> None:
    # Runs of earlier releases have no entries for masses and constraints; their frames have them.
    before = {**_lasting_facts(saved.atoms), "cell": asked["cell"], **saved.physics}
    changed = {key for key in before.keys() | asked.keys() if before.get(key) != asked.get(key)}
    if "structure" in changed and changed & _STRUCTURE_WORDS.keys():
        changed.remove("structure")  # a more specific entry is reported
    words = {**_STRUCTURE_WORDS, "structure": "the initial structure differs", "model": "the potential differs"}
    differences = [words.get(key, f"{key} was {before.get(key)}, now {asked.get(key)}") for key in sorted(changed)]
    if differences:
        raise SimulationError(
            f"{output} contains a run with other settings, which cannot be continued: {'; '.join(differences)}. "
            "Choose another output, or start over with --overwrite"
        )
