"""A short simulation at high temperature that detects broken bonds, overlapping atoms and diverging temperatures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.data import covalent_radii
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from potentials.errors import SimulationError
from potentials.physics.distances import bonds, too_close
from potentials.physics.short_dynamics import dynamics
from potentials.simulation.md_settings import MDSettings

STRETCH = 2.0
"""A bond is broken when its length has grown by this factor."""
CLOSENESS = 0.8
"""Smallest distance of two atoms, as a fraction of the shortest distance of their elements in the data."""
_UNSEEN_CLOSENESS = 0.5
"""Smallest distance as a fraction of the sum of covalent radii, for pairs without data."""
_RUNAWAY = 5.0
"""Highest temperature relative to the target; fluctuations of few atoms are added."""
_NONMETALS = frozenset(
    [
        "H",
        "He",
        "B",
        "C",
        "N",
        "O",
        "F",
        "Ne",
        "Si",
        "P",
        "S",
        "Cl",
        "Ar",
        "Ge",
        "As",
        "Se",
        "Br",
        "Kr",
        "Te",
        "I",
        "Xe",
    ]
)
_KEPT = 200
"""Number of structures kept for distributions."""
_LOOK_EVERY = 5
"""Number of steps between checks of the distances."""


@dataclass(frozen=True, eq=False)
class HotRun:
    """Results of a simulation at high temperature."""

    failure: str | None
    """Description of the failure; None if there was none."""
    times: NDArray[np.float64]
    """[T] ps, every fifth step."""
    temperatures: NDArray[np.float64]
    """[T] K."""
    structures: Sequence[Atoms]
    """At most 200 structures, evenly spaced over the simulated time."""
    last: Atoms
    """Structure at the end, or at the failure."""
    watched_bonds: int

    @property
    def time(self) -> float:
        """Simulated time, ps."""
        return float(self.times[-1])

    @property
    def temperature(self) -> float:
        """Mean temperature over the second half, K."""
        return float(self.temperatures[len(self.temperatures) // 2 :].mean())


def hot_run(calculator: Calculator, atoms: Atoms, settings: MDSettings, shortest: Mapping[str, float]) -> HotRun:
    """Simulate until all steps are done or a failure is detected.

    Failures are: energies or forces that are not finite; more than five times the target temperature; two atoms closer
    than 0.8 times the shortest distance of their elements in the data (0.5 times the sum of their covalent radii if
    there is none); a bond of a molecule twice as long as at the start. Bonds are monitored in structures that consist
    of molecules, and not between metals.

    Args:
        calculator: gives energies and forces.
        atoms: not changed.
        settings: of the dynamics; usually with a thermostat.
        shortest: A, by pair of elements such as "C-H", as returned by `shortest_distances`.
    """
    moving = atoms.copy()
    watch = _Watch(moving, settings.temperature, shortest)
    times, temperatures, structures = [0.0], [settings.temperature], [atoms.copy()]
    keep_every = max(_LOOK_EVERY, settings.steps // _KEPT)
    failure = None
    try:
        for step in dynamics(calculator, moving, settings):
            if step == 0 or step % _LOOK_EVERY:
                continue
            times.append(step * settings.timestep * 1e-3)
            temperatures.append(float(moving.get_temperature()))
            failure = watch.failure(moving, temperatures[-1])
            if failure is not None:
                break
            if step % keep_every == 0:
                structures.append(_geometry(moving))
    except SimulationError as error:
        failure = str(error)
    return HotRun(
        failure, np.array(times), np.array(temperatures), structures, _geometry(moving), len(watch.first_atoms)
    )


class _Watch:
    """Limits, and the check of a structure against them."""

    def __init__(self, start: Atoms, temperature: float, shortest: Mapping[str, float]) -> None:
        # The relative fluctuation of a temperature of 3 N velocities is sqrt(2 / 3 N).
        self.hottest = _RUNAWAY * temperature * (1 + np.sqrt(2 / (3 * len(start))))
        self.least = _least_distances(start, shortest)
        self.first_atoms, self.second_atoms, self.lengths = watched_bonds(start)
        symbols = start.get_chemical_symbols()
        self.names = [
            f"{symbols[one]}{one}-{symbols[two]}{two}"
            for one, two in zip(self.first_atoms, self.second_atoms, strict=True)
        ]

    def failure(self, atoms: Atoms, temperature: float) -> str | None:
        if not temperature <= self.hottest:
            return f"the temperature diverged to {temperature:.3g} K"
        if not np.isfinite(atoms.positions).all():
            return "positions are not finite"
        close = too_close(atoms, self.least)
        if close is not None:
            return close
        if len(self.names):
            vectors = atoms.positions[self.second_atoms] - atoms.positions[self.first_atoms]
            stretched = np.linalg.norm(vectors, axis=1) / self.lengths
            if stretched.max() > STRETCH:
                worst = int(np.argmax(stretched))
                return f"the bond {self.names[worst]} broke: it is {stretched[worst] * self.lengths[worst]:.2f} A long"
        return None


def watched_bonds(atoms: Atoms) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return bonds of molecules, not between metals nor across cell boundaries: atoms and lengths (A)."""
    first, second, lengths = bonds(atoms)
    if atoms.pbc.any():
        graph = coo_array((np.ones(len(first)), (first, second)), shape=(len(atoms), len(atoms)))
        if connected_components(graph, directed=False)[0] < 2:
            first, second, lengths = first[:0], second[:0], lengths[:0]
    nonmetal = np.array([symbol in _NONMETALS for symbol in atoms.get_chemical_symbols()])
    direct = np.linalg.norm(atoms.positions[second] - atoms.positions[first], axis=1)
    kept = (nonmetal[first] | nonmetal[second]) & (np.abs(direct - lengths) < 1e-6)
    return first[kept], second[kept], lengths[kept]


def _least_distances(atoms: Atoms, shortest: Mapping[str, float]) -> dict[str, float]:
    radii = {symbol: float(covalent_radii[number]) for symbol, number in zip(atoms.symbols, atoms.numbers, strict=True)}
    least = {}
    for one in sorted(radii):
        for two in sorted(radii):
            if one <= two:
                name = f"{one}-{two}"
                unseen = _UNSEEN_CLOSENESS * (radii[one] + radii[two])
                least[name] = CLOSENESS * shortest[name] if name in shortest else unseen
    return least


def _geometry(atoms: Atoms) -> Atoms:
    return Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
