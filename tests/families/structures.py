"""Small structures of H, C and O that between them have every kind of cell."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.build import molecule

ELEMENTS = ["H", "C", "O"]


def ethanol(seed: int = 1) -> Atoms:
    """A distorted molecule without any symmetry; it is chiral."""
    atoms = molecule("CH3CH2OH")
    atoms.rattle(0.1, seed=seed)
    return atoms


def water() -> Atoms:
    atoms = molecule("H2O")
    atoms.rattle(0.1, seed=2)
    return atoms


def crystal() -> Atoms:
    """Four atoms in a triclinic cell."""
    fractions = np.array([[0.03, 0.02, 0.96], [0.51, 0.47, 0.05], [0.46, 0.03, 0.52], [0.02, 0.55, 0.46]])
    cell = np.array([[3.2, 0.2, -0.3], [0.9, 3.0, 0.4], [-0.6, 0.7, 3.4]])
    return Atoms("CHOH", scaled_positions=fractions, cell=cell, pbc=True)


def left_handed() -> Atoms:
    """The crystal in a cell whose vectors are a left-handed triple, slightly compressed."""
    atoms = crystal()
    fractions = atoms.get_scaled_positions(wrap=False)[:, [1, 0, 2]]
    return Atoms(atoms.numbers, scaled_positions=fractions, cell=0.97 * atoms.cell.array[[1, 0, 2]], pbc=True)


def tiny_cell() -> Atoms:
    """Two atoms in a skewed cell that is smaller than the cutoff, so that atoms neighbor their own images."""
    cell = np.array([[2.5, 0.1, 0.0], [1.1, 2.3, 0.2], [1.3, 0.7, 2.2]])
    return Atoms("CO", positions=[[0.0, 0.0, 0.0], [1.1, 0.9, 0.7]], cell=cell, pbc=True)


def slab() -> Atoms:
    """The crystal, periodic along its first and third vector only."""
    atoms = crystal()
    atoms.pbc = [True, False, True]
    return atoms


def wire() -> Atoms:
    """The tiny cell, periodic along its second vector only."""
    atoms = tiny_cell()
    atoms.pbc = [False, True, False]
    return atoms


MOLECULES = {"ethanol": ethanol}
PERIODIC = {"crystal": crystal, "left-handed": left_handed, "tiny cell": tiny_cell}
PARTLY_PERIODIC = {"slab": slab, "wire": wire}
STRUCTURES = MOLECULES | PERIODIC | PARTLY_PERIODIC
