"""Structures of `builtin:ethanol-distorted`: ethanol far from equilibrium, with shorter distances than in dynamics.

`make_builtin_data.py` labels them. Dynamics at 300 K and 500 K contains no distances below 0.88 A. A potential trained
on it alone has arbitrary energies there, down to thousands of eV below the molecule. These frames determine them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, combinations_with_replacement

import numpy as np
from ase import Atoms, units
from ase.build import molecule
from ase.calculators.calculator import CalculationFailed, Calculator
from ase.geometry import get_distances
from ase.md.langevin import Langevin
from ase.optimize import BFGS

SEED = 515
SHORTEST, LONGEST = 0.12, 3.0  # A
DIMER_DISTANCES = 14
PAIRS_PER_ELEMENTS = 20
DISPLACEMENTS = (0.2, 0.4, 0.6, 0.8, 1.0)  # A, of each coordinate
DISPLACED_PER_SIZE = 14
PATHS_PER_SIZE = 6
PATH_STEPS = (4, 16)
CLUSTERS, CLUSTER_PATHS = 40, 15
CLUSTER_RADIUS, CLUSTER_SHORTEST = 2.2, 0.6  # A
FRAGMENTS = 40
HOT_TEMPERATURES = (1000, 2000, 4000)  # K
HOT_FRAMES_PER_TEMPERATURE = 16
HOT_TIME_STEP, HOT_FRICTION = 0.25, 0.05  # fs, 1/fs
HOT_SPACING = 80  # steps

Structures = Iterator[tuple[str, Atoms]]


def structures(calculator: Callable[[], Calculator]) -> Structures:
    """Generate class names and structures; order and random numbers depend on `SEED` only.

    Args:
        calculator: function that creates the calculator for relaxation and dynamics.
    """
    classes = (dimers, pushed_pairs, displaced, fragments, clusters, hot)
    for index, make in enumerate(classes):
        yield from make(np.random.default_rng((SEED, index)), calculator)


def dimers(rng: np.random.Generator, calculator: Callable[[], Calculator]) -> Structures:
    """Generate every pair of elements at logarithmically spaced distances."""
    for pair in combinations_with_replacement("HCO", 2):
        for distance in np.geomspace(SHORTEST, LONGEST, DIMER_DISTANCES):
            yield "dimer", Atoms("".join(pair), positions=[[0, 0, 0], distance * direction(rng)])


def pushed_pairs(rng: np.random.Generator, calculator: Callable[[], Calculator]) -> Structures:
    """Generate molecules with one atom moved toward another; all pairs of elements occur equally often."""
    for first, second in (("H", "H"), ("H", "C"), ("H", "O"), ("C", "C"), ("C", "O")):
        for distance in np.exp(rng.uniform(np.log(SHORTEST), 0.0, PAIRS_PER_ELEMENTS)):
            atoms = rotamer(rng)
            there = [
                pair
                for pair in combinations(range(len(atoms)), 2)
                if sorted(atoms.symbols[k] for k in pair) == sorted((first, second))
            ]
            still, moved = rng.permutation(there[int(rng.integers(len(there)))])
            line = atoms.positions[moved] - atoms.positions[still]
            atoms.positions[moved] = atoms.positions[still] + distance * line / np.linalg.norm(line)
            yield "pushed", atoms


def displaced(rng: np.random.Generator, calculator: Callable[[], Calculator]) -> Structures:
    """Generate molecules with random displacements of all coordinates, and structures along their relaxation."""
    for size in DISPLACEMENTS:
        starts = []
        for _ in range(DISPLACED_PER_SIZE):
            atoms = rotamer(rng)
            atoms.positions += rng.uniform(-size, size, atoms.positions.shape)
            starts.append(atoms)
            yield "displaced", atoms
        for atoms in starts[:PATHS_PER_SIZE]:
            yield from relaxation(atoms, calculator)


def fragments(rng: np.random.Generator, calculator: Callable[[], Calculator]) -> Structures:
    """Generate fragments of two to eight atoms of a displaced molecule."""
    for _ in range(FRAGMENTS):
        atoms = rotamer(rng)
        atoms.positions += rng.uniform(-0.6, 0.6, atoms.positions.shape)
        yield "fragment", atoms[sorted(rng.permutation(len(atoms))[: rng.integers(2, len(atoms))])]


def clusters(rng: np.random.Generator, calculator: Callable[[], Calculator]) -> Structures:
    """Generate the nine atoms at random in a sphere, not too close, and structures along their relaxation."""
    for index in range(CLUSTERS):
        atoms = molecule("CH3CH2OH")
        for k in range(len(atoms)):
            atoms.positions[k] = place(rng, atoms.positions[:k])
        yield "cluster", atoms
        if index < CLUSTER_PATHS:
            yield from relaxation(atoms, calculator)


def hot(rng: np.random.Generator, calculator: Callable[[], Calculator]) -> Structures:
    """Run Langevin dynamics at temperatures where the molecule dissociates, restarted after every eight frames."""
    for temperature in HOT_TEMPERATURES:
        for frame in range(HOT_FRAMES_PER_TEMPERATURE):
            if frame % 8 == 0:
                atoms = rotamer(rng)
                atoms.calc = calculator()
                dynamics = Langevin(
                    atoms,
                    HOT_TIME_STEP * units.fs,
                    temperature_K=temperature,
                    friction=HOT_FRICTION / units.fs,
                    fixcm=False,
                    rng=rng,
                )
            dynamics.run(HOT_SPACING)
            copy = atoms.copy()
            copy.positions -= atoms.get_center_of_mass()
            yield f"{temperature}K", copy


def relaxation(start: Atoms, calculator: Callable[[], Calculator]) -> Structures:
    """Generate structures along a relaxation and the final one; none if the calculation fails."""
    atoms = start.copy()
    atoms.calc = calculator()
    seen = []
    relaxing = BFGS(atoms, logfile=None, maxstep=0.1)
    relaxing.attach(lambda: seen.append(atoms.copy()))
    try:
        relaxing.run(fmax=0.05, steps=200)
    except CalculationFailed:
        return
    for step in PATH_STEPS:
        if step < len(seen) - 1:
            yield "relaxation", seen[step]
    yield "relaxation", seen[-1]


def rotamer(rng: np.random.Generator) -> Atoms:
    """Create ethanol with a random rotation of the hydroxyl hydrogen, all atoms rattled by 0.05 A."""
    atoms = molecule("CH3CH2OH")
    atoms.set_dihedral(0, 1, 2, 3, rng.uniform(0.0, 360.0), indices=[3])
    atoms.rattle(0.05, rng=rng)
    return atoms


def place(rng: np.random.Generator, others: Sequence[Sequence[float]] | np.ndarray) -> np.ndarray:
    """Draw a point in the sphere of the clusters, not too close to the others."""
    while True:
        point = CLUSTER_RADIUS * rng.uniform() ** (1 / 3) * direction(rng)
        if not len(others) or get_distances([point], others)[1].min() > CLUSTER_SHORTEST:
            return point


def direction(rng: np.random.Generator) -> np.ndarray:
    """Draw a uniformly distributed unit vector."""
    vector = rng.normal(size=3)
    return vector / np.linalg.norm(vector)


def description(frames: Sequence[Atoms], accuracy: float) -> str:
    """Write the sections of the card on level of theory and protocol.

    Args:
        frames: labeled frames with their class as `origin`.
        accuracy: tblite's accuracy factor of the labels.
    """

    def made(*origins: str) -> int:
        return sum(frame.info["origin"] in origins for frame in frames)

    sizes = ", ".join(str(size) for size in DISPLACEMENTS)
    temperatures = [f"{temperature}K" for temperature in HOT_TEMPERATURES]
    return f"""# builtin:ethanol-distorted

{len(frames)} frames of the atoms of ethanol (C2H6O, not periodic) far from equilibrium: pairs of atoms, broken and
compressed molecules. Use them for training together with `builtin:ethanol`, whose dynamics contains no distances below
0.88 Å: without these frames, energies at shorter distances are undetermined.

## Level of theory

GFN2-xTB as for `builtin:ethanol` (SCF accuracy factor {accuracy}), closed-shell where the number of electrons is
even, at an electronic temperature of 300 K. It is not reliable at distances of a fraction of a bond length: there, the
labels only describe that atoms repel each other, and roughly how strongly. Frames whose wave function does not converge
are left out.

## Protocol

The key `origin` states how a frame was generated:

- `dimer` ({made("dimer")}): each pair of elements at {DIMER_DISTANCES} distances from {SHORTEST} to {LONGEST} Å.
- `pushed` ({made("pushed")}): the molecule with one atom moved to a distance of {SHORTEST} to 1 Å from another.
- `displaced` ({made("displaced")}): random displacements of every coordinate by up to {sizes} Å.
- `fragment` ({made("fragment")}): two to eight atoms of a displaced molecule.
- `cluster` ({made("cluster")}): the nine atoms at random in a sphere of {CLUSTER_RADIUS} Å.
- `relaxation` ({made("relaxation")}): along the relaxation of displaced molecules and clusters, including the minimum.
- `{"`, `".join(temperatures)}` ({made(*temperatures)}): Langevin dynamics, time step {HOT_TIME_STEP} fs.

Seeds: `numpy.random.default_rng(({SEED}, class))`, classes in the order of `scripts/distorted_ethanol.py`.
"""
