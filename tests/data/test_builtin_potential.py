"""The shipped potential has no holes: atoms that collide repel, and nothing lies below the molecule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement, pairwise, permutations

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import molecule
from ase.calculators.calculator import Calculator
from ase.data import covalent_radii
from ase.md.langevin import Langevin
from ase.optimize import BFGS

import potentials
from potentials.data.graph import build_graph, collate
from potentials.potential import Potential

MARGIN = 0.1
"""eV; what a minimum of the potential may lie below the one that the relaxation finds."""
SHORT = 0.6
"""Of the sum of the covalent radii; below it two atoms do nothing but repel each other."""


@pytest.fixture(scope="module")
def potential() -> Potential:
    return potentials.load("builtin:ethanol")


@pytest.fixture(scope="module")
def calculator(potential: Potential) -> Calculator:
    return potential.calculator()


@pytest.fixture(scope="module")
def rotamers(calculator: Calculator) -> list[Atoms]:
    """Gauche and anti ethanol, relaxed; gauche is the lowest."""
    relaxed = []
    for dihedral in (60.0, 180.0):
        atoms = molecule("CH3CH2OH")
        atoms.set_dihedral(0, 1, 2, 3, dihedral, indices=[3])
        atoms.calc = calculator
        BFGS(atoms, logfile=None).run(fmax=0.01, steps=200)
        relaxed.append(atoms)
    return relaxed


def energies(potential: Potential, structures: Sequence[Atoms]) -> np.ndarray:
    """By the network itself, not by its splines, in batches."""
    found = []
    for start in range(0, len(structures), 400):
        graphs = [build_graph(atoms, potential.elements, potential.cutoff) for atoms in structures[start : start + 400]]
        found.append(potential(collate(graphs), forces=False).energy.detach().numpy())
    return np.concatenate(found)


def pushed(atoms: Atoms, still: int, moved: int, distances: np.ndarray) -> list[Atoms]:
    """One atom moved along the line to another, to these distances."""
    line = atoms.positions[moved] - atoms.positions[still]
    structures = []
    for distance in distances:
        copy = atoms.copy()
        copy.positions[moved] = atoms.positions[still] + distance * line / np.linalg.norm(line)
        structures.append(copy)
    return structures


def crowded(atoms: Atoms, still: int, moved: int) -> bool:
    """Whether the moved atom comes close to a third one on its way, so that the energy may fall as it leaves that."""
    numbers = atoms.numbers
    others = [k for k in range(len(atoms)) if k not in (still, moved)]
    distances = np.linalg.norm(atoms.positions[others] - atoms.positions[moved], axis=1)
    return bool((distances < 0.9 * (covalent_radii[numbers[others]] + covalent_radii[numbers[moved]])).any())


@pytest.mark.slow
def test_dimers_repel_each_other_at_short_distance(potential: Potential, calculator: Calculator) -> None:
    """By the network and by the splines of the calculator, down to 0.05 A; bound by less than any molecule."""
    distances = np.arange(0.05, 2.0, 0.02)
    for pair in combinations_with_replacement("HCO", 2):
        dimers = [Atoms("".join(pair), positions=[[0, 0, 0], [0, 0, r]]) for r in distances]
        apart = energies(potential, [Atoms("".join(pair), positions=[[0, 0, 0], [0, 0, 50]])])
        by_network = energies(potential, dimers) - apart
        by_splines = np.array([calculator.get_potential_energy(dimer) for dimer in dimers]) - apart
        short = distances < SHORT * sum(covalent_radii[dimers[0].numbers])
        for found in (by_network, by_splines):
            assert (np.diff(found[short]) < 0).all(), pair
            assert found[0] > 100, pair
            # Carbon monoxide, the strongest bond of all, has 11.2 eV.
            assert found.min() > -12, pair


@pytest.mark.slow
def test_atoms_pushed_together_repel_each_other(potential: Potential, rotamers: list[Atoms]) -> None:
    lowest = energies(potential, rotamers).min()
    for atoms in rotamers:
        for still, moved in permutations(range(len(atoms)), 2):
            pair = f"{atoms.symbols[moved]}{moved} to {atoms.symbols[still]}{still}"
            distances = np.arange(0.05, min(2.0, atoms.get_distance(still, moved)), 0.04)
            structures = pushed(atoms, still, moved, distances)
            found = energies(potential, structures) - lowest
            assert found.min() > -MARGIN, pair
            radii = covalent_radii[atoms.numbers[[still, moved]]].sum()
            for (inner, outer), near, r in zip(pairwise(found), structures[1:], distances[1:], strict=True):
                assert r > SHORT * radii or crowded(near, still, moved) or inner > outer, f"{pair} at {r:.2f} A"


@pytest.mark.slow
def test_two_atoms_of_hydrogen_on_top_of_each_other(potential: Potential, rotamers: list[Atoms]) -> None:
    """The hole of the first such potential was 9000 eV deep: H-H at 0.18 A."""
    close = pushed(rotamers[0], 4, 5, np.array([0.18]))
    assert 5 < (energies(potential, close) - energies(potential, rotamers[:1]))[0] < 200


def minima(start: Atoms, calculator: Calculator, size: float, hops: int, seed: int) -> Iterator[float]:
    """Energies of minima found by hopping: all coordinates displaced at random, then relaxed (basin hopping)."""
    random = np.random.default_rng(seed)
    here, energy = start.copy(), start.get_potential_energy()
    for _ in range(hops):
        atoms = here.copy()
        atoms.positions += random.uniform(-size, size, atoms.positions.shape)
        atoms.calc = calculator
        BFGS(atoms, logfile=None, maxstep=0.2).run(fmax=0.1, steps=150)
        found = atoms.get_potential_energy()
        yield found
        if random.uniform() < np.exp((energy - found) / 0.5):
            here, energy = atoms.copy(), found


@pytest.mark.slow
@pytest.mark.parametrize("size", [0.2, 0.6, 1.0])
def test_hopping_finds_nothing_below_the_molecule(rotamers: list[Atoms], calculator: Calculator, size: float) -> None:
    lowest = min(atoms.get_potential_energy() for atoms in rotamers)
    assert min(minima(rotamers[0], calculator, size, 15, seed=0)) > lowest - MARGIN


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.parametrize("size", [0.2, 0.4, 0.6, 0.8, 1.0])
def test_long_hopping(rotamers: list[Atoms], calculator: Calculator, size: float, seed: int) -> None:
    lowest = min(atoms.get_potential_energy() for atoms in rotamers)
    assert min(minima(rotamers[0], calculator, size, 100, seed)) > lowest - MARGIN


@pytest.mark.slow
def test_hot_dynamics_does_not_collapse(rotamers: list[Atoms], calculator: Calculator) -> None:
    """At 1000 K for half a picosecond; the mean kinetic energy is that of equipartition, no atoms come too close."""
    atoms = rotamers[0].copy()
    atoms.calc = calculator
    lowest = rotamers[0].get_potential_energy()
    random = np.random.default_rng(1)
    dynamics = Langevin(atoms, 0.5 * units.fs, temperature_K=1000, friction=0.02 / units.fs, fixcm=False, rng=random)
    seen: list[tuple[float, float, float]] = []

    def look() -> None:
        distances = atoms.get_all_distances() + 9 * np.eye(len(atoms))
        seen.append((atoms.get_potential_energy() - lowest, atoms.get_temperature(), distances.min()))

    dynamics.attach(look, interval=10)
    dynamics.run(1000)
    energy, temperature, shortest = np.array(seen).T
    assert energy.min() > -MARGIN
    assert energy.max() < 4
    assert shortest.min() > 0.8
    assert temperature[50:].mean() == pytest.approx(1000, rel=0.3)
