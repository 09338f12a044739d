"""Structures by which a starting potential is remembered: crystals, clusters and close pairs of its elements."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from ase import Atoms
from ase.build import bulk, make_supercell
from ase.data import atomic_numbers, covalent_radii, reference_states

from potentials.evaluation.predict import predict
from potentials.potential import Potential

_CLOSEST = 0.75
"""Shortest distance in crystals and clusters, relative to the sum of covalent radii."""
_SCALES = np.geomspace(0.9, 2.2, 16)
"""Distances of neighbors in crystals that are tried, relative to the sum of covalent radii."""
_TYPICAL = 3
"""Index of the scale of crystals that have no minimum."""
_PAIR_RANGE = (0.5, 1.6)
"""Distances of pairs, relative to the sum of covalent radii."""
_BINARY = ("rocksalt", "cesiumchloride", "zincblende")
_ELEMENTARY = {"fcc": "fcc", "bcc": "bcc", "hcp": "hcp", "diamond": "diamond", "sc": "sc"}
_NEIGHBOR_DISTANCE = {
    "fcc": 2**-0.5,
    "bcc": 3**0.5 / 2,
    "hcp": 1.0,
    "diamond": 3**0.5 / 4,
    "sc": 1.0,
    "rocksalt": 0.5,
    "cesiumchloride": 3**0.5 / 2,
    "zincblende": 3**0.5 / 4,
}
"""Nearest-neighbor distance of each structure in units of the lattice constant."""
_FEWEST_ATOMS = 4
_MOST_ATOMS = 12
"""Of crystals."""
_ATTEMPTS = 200

Generator = np.random.Generator


def replay_structures(
    potential: Potential, count: int, seed: int, elements: Sequence[str] | None = None
) -> list[Atoms]:
    """Generate structures of up to 12 atoms: strained and rattled crystals, clusters, and pairs at short distances.

    Of ten structures four are crystals of one element, two of two elements, two clusters of one to three elements, and
    two pairs. Elements follow each other in random order, so that each occurs about equally often. Crystals have the
    structure of the element or a common one, at the volume at which the potential has the lowest energy; then lengths
    change by up to 5 %, each component of the strain is up to 5 %, and displacements have a standard deviation of up to
    0.15 A.

    Args:
        potential: determines the volumes; it is switched to evaluation mode.
        count: number of structures.
        seed: of the random numbers; fewer structures are the first ones of more.
        elements: chemical symbols; by default all of the potential.
    """
    rng = np.random.Generator(np.random.PCG64([seed, _STREAM]))
    symbols = _in_random_order(elements or potential.elements, rng)
    kinds: Sequence[Callable[[Potential, Iterator[str], Generator], Atoms]] = (
        *(_crystal, _compound, _cluster, _crystal, _pair),
        *(_crystal, _compound, _cluster, _crystal, _pair),
    )
    return [kinds[number % len(kinds)](potential, symbols, rng) for number in range(count)]


_STREAM = 11
"""Keeps these random numbers apart from others with the same seed."""


def _in_random_order(elements: Sequence[str], rng: Generator) -> Iterator[str]:
    while True:
        yield from (elements[index] for index in rng.permutation(len(elements)))


def _radii(*symbols: str) -> float:
    """Sum of the covalent radii of two atoms, A."""
    return float(sum(covalent_radii[atomic_numbers[symbol]] for symbol in symbols))


def _typical_distance(first: str, second: str) -> float:
    """Sum of the covalent radii, which for H, N, O and F are those of molecules; at least 1.5 A."""
    return max(_radii(first, second), 1.5)


def _crystal(potential: Potential, symbols: Iterator[str], rng: Generator) -> Atoms:
    symbol = next(symbols)
    known = (reference_states[atomic_numbers[symbol]] or {}).get("symmetry", "")
    structure = _ELEMENTARY.get(known) if rng.random() < 0.7 else None
    structure = structure or str(rng.choice(sorted(_ELEMENTARY)))
    options = {"covera": (8 / 3) ** 0.5} if structure == "hcp" else {}
    atoms = bulk(symbol, structure, a=_typical_distance(symbol, symbol) / _NEIGHBOR_DISTANCE[structure], **options)
    return _deformed(_repeated(_at_lowest_energy(potential, atoms), rng), rng)


def _compound(potential: Potential, symbols: Iterator[str], rng: Generator) -> Atoms:
    first, second = next(symbols), next(symbols)
    structure = str(rng.choice(_BINARY))
    atoms = bulk(first + second, structure, a=_typical_distance(first, second) / _NEIGHBOR_DISTANCE[structure])
    return _deformed(_repeated(_at_lowest_energy(potential, atoms), rng), rng)


def _at_lowest_energy(potential: Potential, atoms: Atoms) -> Atoms:
    """Scale a crystal, whose neighbors are at a typical distance, to the volume of the lowest energy."""
    scaled = []
    for factor in _SCALES:
        copied = atoms.copy()
        copied.set_cell(factor * atoms.cell.array, scale_atoms=True)
        scaled.append(copied)
    energies = [one.get_potential_energy() for one in predict(potential, scaled, len(scaled), stress=False)]
    lowest = int(np.argmin(energies))
    # A crystal that is not bound, or collapses, stays at a typical distance.
    return scaled[_TYPICAL if lowest in (0, len(scaled) - 1) else lowest]


def _repeated(atoms: Atoms, rng: Generator) -> Atoms:
    """Repeat the shortest directions up to a random number of atoms.

    It is at least four, so that displacements cause forces.
    """
    most = int(rng.integers(_FEWEST_ATOMS, _MOST_ATOMS + 1))
    repeats = np.ones(3, dtype=int)
    lengths = atoms.cell.lengths()
    while True:
        shortest = int(np.argmin(lengths * repeats))
        more = repeats + (np.arange(3) == shortest)
        if len(atoms) * more.prod() > most and len(atoms) * repeats.prod() >= _FEWEST_ATOMS:
            break
        repeats = more
    repeated: Atoms = make_supercell(atoms, np.diag(repeats))
    return repeated


def _deformed(atoms: Atoms, rng: Generator) -> Atoms:
    """Strain and displace at random, less where atoms would come too close."""
    strain = rng.uniform(-0.05, 0.05, size=(3, 3)) + rng.uniform(-0.05, 0.05) * np.eye(3)
    displacements = rng.normal(size=(len(atoms), 3)) * rng.uniform(0.01, 0.15)
    for factor in (1.0, 0.5, 0.25, 0.0):
        deformed = atoms.copy()
        deformed.set_cell(atoms.cell.array @ (np.eye(3) + factor * (strain + strain.T) / 2), scale_atoms=True)
        deformed.positions += factor * displacements
        if _far_enough(deformed):
            break
    deformed.positions = np.round(deformed.positions, 8)
    deformed.set_cell(np.round(deformed.cell.array, 8))
    return deformed


def _far_enough(atoms: Atoms) -> bool:
    """Whether no two atoms, nor an atom and an image of another, are closer than 0.75 times the sum of their radii."""
    distances = atoms.get_all_distances(mic=bool(atoms.pbc.any()))
    radii = covalent_radii[atoms.numbers]
    limits = _CLOSEST * (radii[:, None] + radii[None, :])
    pairs = ~np.eye(len(atoms), dtype=bool)
    return bool((distances[pairs] > limits[pairs]).all())


def _cluster(potential: Potential, symbols: Iterator[str], rng: Generator) -> Atoms:
    """Atoms placed one after the other at random, each near an earlier one."""
    kinds = [next(symbols) for _ in range(int(rng.integers(1, 4)))]
    placed = [str(rng.choice(kinds))]
    positions = [np.zeros(3)]
    size = int(rng.integers(3, 9))
    for _ in range(_ATTEMPTS):
        if len(placed) == size:
            break
        symbol, neighbor = str(rng.choice(kinds)), int(rng.integers(len(placed)))
        direction = rng.normal(size=3)
        distance = _radii(symbol, placed[neighbor]) * rng.uniform(0.9, 1.3)
        position = positions[neighbor] + distance * direction / np.linalg.norm(direction)
        if _far_enough(Atoms([*placed, symbol], positions=[*positions, position])):
            placed.append(symbol)
            positions.append(position)
    return Atoms(placed, positions=np.round(positions, 8))


def _pair(potential: Potential, symbols: Iterator[str], rng: Generator) -> Atoms:
    first, second = next(symbols), next(symbols)
    if rng.random() < 0.3:
        second = first
    distance = _radii(first, second) * rng.uniform(*_PAIR_RANGE)
    direction = rng.normal(size=3)
    return Atoms(
        [first, second], positions=np.round([np.zeros(3), distance * direction / np.linalg.norm(direction)], 8)
    )
