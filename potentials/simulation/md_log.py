"""The log of a molecular dynamics run: a CSV file, and what is read off it at the end."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np

from potentials.errors import SimulationError


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
    """A CSV file that grows by a line at a time, with all its records at hand.

    Args:
        path: the file.
        keep_to: continue a log: keep its lines up to this step and drop what comes after. None starts over.

    Raises:
        SimulationError: the file to be continued is no such log.
    """

    def __init__(self, path: Path, keep_to: int | None = None) -> None:
        self.records: list[MDRecord] = []
        if keep_to is not None and path.exists():
            self.records = [record for record in read_log(path) if record.step <= keep_to]
        self._file = path.open("w", newline="", buffering=1)
        self._writer = csv.writer(self._file)
        self._writer.writerow(COLUMNS)
        for record in self.records:
            self._write(record)

    def add(self, record: MDRecord) -> None:
        """Write a record, unless the step is there already."""
        if self.records and record.step <= self.records[-1].step:
            return
        self.records.append(record)
        self._write(record)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, record: MDRecord) -> None:
        self._writer.writerow(["" if math.isnan(value) else repr(value) for value in astuple(record)])


def read_log(path: Path) -> list[MDRecord]:
    """The records of a log; a last line that was cut off is left out.

    Raises:
        SimulationError: the file is no log of molecular dynamics.
    """
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    if not rows or rows[0] != COLUMNS:
        raise SimulationError(f"{path} is not a log of `potentials md`: its first line is not {','.join(COLUMNS)}")
    complete = [row for row in rows[1:] if len(row) == len(COLUMNS)]
    return [MDRecord(int(row[0]), *(float(text) if text else math.nan for text in row[1:])) for row in complete]


def energy_drift(records: Sequence[MDRecord]) -> EnergyDrift | None:
    """The drift of the total energy per atom over the run; None for fewer than two records."""
    if len(records) < 2:
        return None
    picoseconds = np.array([record.time_fs for record in records]) * 1e-3
    energies = np.array([record.total_energy_per_atom_eV for record in records]) * 1e3
    energies -= energies[0]
    slope, _ = np.polyfit(picoseconds, energies, 1)
    return EnergyDrift(slope=float(slope), largest=float(np.abs(energies).max()))
