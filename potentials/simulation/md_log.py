"""The log of a molecular dynamics run: a CSV file, and what is read off it at the end."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from potentials.errors import SimulationError
from potentials.row_files import RowFile


@dataclass(frozen=True)
class MDRecord:
    """One line of the log; the columns have these names. NaN where a quantity does not exist."""

    step: int
    time_fs: float
    temperature_K: float
    potential_energy_eV: float
    kinetic_energy_eV: float
    total_energy_eV: float
    total_energy_per_atom_eV: float
    pressure_GPa: float
    volume_A3: float
    ms_per_step: float


COLUMNS = [field.name for field in fields(MDRecord)]


@dataclass(frozen=True)
class EnergyDrift:
    """How well a constant-energy run conserved its total energy."""

    slope: float
    """meV/atom/ps, of a straight line fitted to the total energy."""
    largest: float
    """meV/atom, largest deviation from the first value."""


class MDLog:
    """A CSV file that grows by a line at a time; none of it is kept in memory.

    Args:
        path: the file.
        keep_to: continue a log: keep its lines up to this step and drop what comes after. None starts over.

    Raises:
        SimulationError: the file to be continued is no such log.
    """

    def __init__(self, path: Path, keep_to: int | None = None) -> None:
        self._rows = RowFile(path, COLUMNS)
        self._last_step = -1
        if keep_to is None or not path.exists():
            self._rows.begin()
            return
        _check_columns(path)
        self._rows.keep_until(keep_to)
        self._last_step = max((record.step for record in iterate_log(path)), default=-1)

    def add(self, record: MDRecord) -> None:
        """Write a record, unless the step is there already."""
        if record.step <= self._last_step:
            return
        self._last_step = record.step
        self._rows.append({name: None if math.isnan(value) else value for name, value in asdict(record).items()})


def iterate_log(path: Path) -> Iterator[MDRecord]:
    """The records of a log, one by one; a last line that was cut off is left out.

    Raises:
        SimulationError: the file is no log of molecular dynamics.
    """
    _check_columns(path)
    for row in RowFile(path, COLUMNS).rows():
        step, *values = row.values()
        yield MDRecord(int(step or 0), *(math.nan if value is None else float(value) for value in values))


def read_log(path: Path) -> list[MDRecord]:
    """The records of a log, all at once; see `iterate_log`."""
    return list(iterate_log(path))


def energy_drift(records: Iterable[MDRecord]) -> EnergyDrift | None:
    """The drift of the total energy per atom over the run; None for fewer than two records.

    The slope is the covariance of energy and time over the variance of the time, which are updated record by record.
    """
    count, first = 0, 0.0
    mean_time = mean_energy = covariance = variance = largest = 0.0
    for record in records:
        time, energy = record.time_fs * 1e-3, record.total_energy_per_atom_eV * 1e3
        if count == 0:
            first = energy
        energy -= first
        count += 1
        from_mean = time - mean_time
        mean_time += from_mean / count
        mean_energy += (energy - mean_energy) / count
        covariance += from_mean * (energy - mean_energy)
        variance += from_mean * (time - mean_time)
        largest = max(largest, abs(energy))
    return EnergyDrift(slope=covariance / variance, largest=largest) if count > 1 else None


def check_log(path: Path) -> None:
    """Make sure that a log can be written to `path` without harm to a file of something else.

    Raises:
        SimulationError: a file is there that is no log of molecular dynamics.
    """
    if not path.exists():
        return
    if not path.is_file():
        raise SimulationError(
            f"the log {path} cannot be written: a folder or special file has this name; choose another output"
        )
    with path.open(encoding="utf-8", errors="replace") as file:
        first_line = file.readline(10_000)
    if first_line and first_line.strip().split(",") != COLUMNS:
        raise SimulationError(
            f"the log {path} would replace a file that `potentials md` has not written; choose another output or move "
            "that file"
        )


def _check_columns(path: Path) -> None:
    with path.open(encoding="utf-8", errors="replace") as file:
        first_line = file.readline()
    if first_line.strip().split(",") != COLUMNS:
        raise SimulationError(f"{path} is not a log of `potentials md`: its first line is not {','.join(COLUMNS)}")
