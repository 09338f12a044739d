"""The log of a molecular dynamics run: a CSV file, and quantities computed from it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from potentials.errors import SimulationError
from potentials.row_files import RowFile


@dataclass(frozen=True)
class MDRecord:
    """One row of the log, whose columns have these names; NaN where a quantity is not defined."""

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
    """Conservation of the total energy in a constant-energy run."""

    slope: float
    """Slope of a linear fit to the total energy, meV/atom/ps."""
    largest: float
    """Largest deviation from the first value, meV/atom."""


class MDLog:
    """A CSV file to which rows are appended; none are kept in memory.

    Args:
        path: the file.
        keep_to: continue a log: keep its rows up to this step and drop later ones. None starts a new log.

    Raises:
        SimulationError: the file to be continued is not a log of molecular dynamics.
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
        """Append a record, unless the log contains its step already."""
        if record.step <= self._last_step:
            return
        self._last_step = record.step
        self._rows.append({name: None if math.isnan(value) else value for name, value in asdict(record).items()})


def iterate_log(path: Path) -> Iterator[MDRecord]:
    """Yield the records of a log one by one; an incomplete last line is skipped.

    Raises:
        SimulationError: the file is not a log of molecular dynamics.
    """
    _check_columns(path)
    for row in RowFile(path, COLUMNS).rows():
        step, *values = row.values()
        yield MDRecord(int(step or 0), *(math.nan if value is None else float(value) for value in values))


def read_log(path: Path) -> list[MDRecord]:
    """Return all records of a log; see `iterate_log`."""
    return list(iterate_log(path))


def energy_drift(records: Iterable[MDRecord]) -> EnergyDrift | None:
    """Compute the drift of the total energy per atom; None for fewer than two records.

    The slope is the covariance of energy and time over the variance of time, both updated record by record.
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
    """Check that a log can be written to `path` without replacing another kind of file.

    Raises:
        SimulationError: the file exists and is not a log of molecular dynamics.
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
            f"the log {path} would replace a file that was not written by `potentials md`; choose another output, or "
            "move that file"
        )


def _check_columns(path: Path) -> None:
    with path.open(encoding="utf-8", errors="replace") as file:
        first_line = file.readline()
    if first_line.strip().split(",") != COLUMNS:
        raise SimulationError(f"{path} is not a log of `potentials md`: its first line is not {','.join(COLUMNS)}")
