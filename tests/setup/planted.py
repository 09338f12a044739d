"""Clean data, and each fault that the audit looks for planted into them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import ase.io
import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet
from scipy.spatial.transform import Rotation

from potentials.data.read import read_frames

Frames = list[Atoms]


def labeled(atoms: Atoms, **labels: object) -> Atoms:
    """A copy with these results instead of its own."""
    made = atoms.copy()
    made.calc = SinglePointCalculator(made, **{**atoms.calc.results, **labels})
    return made


@cache
def _builtin(name: str) -> tuple[Atoms, ...]:
    return tuple(frame.atoms for frame in read_frames(name))


def ethanol() -> Frames:
    """100 molecules, then the three isolated atoms, which come first in the file."""
    atoms = _builtin("builtin:ethanol")
    return [labeled(structure) for structure in (*atoms[3:103], *atoms[:3])]


def copper() -> Frames:
    """Crystals, surfaces and liquid, with stress."""
    return [labeled(atoms) for atoms in _builtin("builtin:copper")]


@cache
def _trajectory() -> tuple[Atoms, ...]:
    atoms = bulk("Cu", cubic=True) * (2, 2, 2)
    atoms.calc = EMT()
    MaxwellBoltzmannDistribution(atoms, temperature_K=600, rng=np.random.default_rng(0))
    dynamics = VelocityVerlet(atoms, 5 * units.fs)
    dynamics.run(20)
    frames = []
    for _ in range(80):
        dynamics.run(2)
        copy = atoms.copy()
        copy.calc = SinglePointCalculator(copy, energy=atoms.get_potential_energy(), forces=atoms.get_forces())
        frames.append(copy)
    return tuple(frames)


def trajectory() -> Frames:
    """A hot crystal every 10 fs."""
    return [labeled(atoms) for atoms in _trajectory()]


def change(frames: Frames, chosen: Sequence[int], how: Callable[[Atoms], Atoms]) -> Frames:
    """These frames changed."""
    return [how(atoms) if number in chosen else atoms for number, atoms in enumerate(frames)]


def scaled(name: str, factor: float) -> Callable[[Atoms], Atoms]:
    return lambda atoms: labeled(atoms, **{name: factor * np.asarray(atoms.calc.results[name])})


def all_scaled(frames: Frames, name: str, factor: float) -> Frames:
    return [scaled(name, factor)(atoms) if name in atoms.calc.results else atoms for atoms in frames]


def shifted_energy(difference: float) -> Callable[[Atoms], Atoms]:
    return lambda atoms: labeled(atoms, energy=atoms.calc.results["energy"] + difference)


def pushed(atoms: Atoms) -> Atoms:
    return labeled(atoms, forces=atoms.calc.results["forces"] + [0.0, 0.0, 0.3])


def twisted(atoms: Atoms) -> Atoms:
    """Forces of another orientation."""
    return labeled(atoms, forces=atoms.calc.results["forces"] @ Rotation.from_rotvec([0, 0, 1.5]).as_matrix().T)


def squeezed(atoms: Atoms) -> Atoms:
    moved = labeled(atoms)
    moved.positions[1] = moved.positions[0] + [0.0, 0.0, 0.3]
    return moved


def turned(atoms: Atoms, noise: float = 0.0) -> Atoms:
    """The same molecule turned, mirrored, moved and in another order of atoms; or nearly the same."""
    random = np.random.default_rng(len(atoms))
    matrix = -Rotation.random(random_state=1).as_matrix()
    order = random.permutation(len(atoms))
    made = atoms.copy()[order]
    made.positions = made.positions @ matrix.T + [1.0, 2.0, 3.0]
    made.positions += random.normal(scale=noise, size=made.positions.shape) if noise else 0.0
    forces = atoms.calc.results["forces"][order] @ matrix.T
    made.calc = SinglePointCalculator(made, energy=atoms.calc.results["energy"], forces=forces)
    return made


def without(name: str) -> Callable[[Atoms], Atoms]:
    def strip(atoms: Atoms) -> Atoms:
        made = atoms.copy()
        made.calc = SinglePointCalculator(made, **{k: v for k, v in atoms.calc.results.items() if k != name})
        return made

    return strip


def write(path: object, frames: Frames) -> str:
    ase.io.write(str(path), frames, format="extxyz")
    return str(path)
