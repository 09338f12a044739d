"""What follows for crystals from the pairs of `morse_family`, by sums over the lattice: oracles in closed form."""

import numpy as np
from ase.build import bulk
from morse_family import CUTOFF, EPSILON, INNER, R0, RHO0
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar


def pair_energy(r: NDArray) -> NDArray:
    """eV, at distances in A."""
    decay = np.exp(-RHO0 * (r / R0 - 1))
    s = np.clip(1 - (r - INNER) / (CUTOFF - INNER), 0, 1)
    return EPSILON * (decay**2 - 2 * decay) * (6 * s**5 - 15 * s**4 + 10 * s**3)


def pair_derivatives(r: NDArray, step: float = 1e-4) -> tuple[NDArray, NDArray]:
    """First and second derivative, eV/A and eV/A^2."""
    before, here, after = pair_energy(r - step), pair_energy(r), pair_energy(r + step)
    return (after - before) / (2 * step), (after - 2 * here + before) / step**2


def fcc_vectors(lattice_constant: float) -> NDArray:
    """[V, 3] A, from an atom to all within the cutoff."""
    cell = bulk("Cu", a=lattice_constant).cell.array
    grid = np.stack(np.meshgrid(*[np.arange(-6, 7)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    vectors = grid @ cell
    lengths = np.linalg.norm(vectors, axis=1)
    return vectors[(lengths > 0.1) & (lengths < CUTOFF)]


def fcc_energy(lattice_constant: float) -> float:
    """eV per atom, of pairs alone."""
    return 0.5 * float(pair_energy(np.linalg.norm(fcc_vectors(lattice_constant), axis=1)).sum())


def fcc_lattice_constant() -> float:
    """A, of the lowest energy."""
    return float(minimize_scalar(fcc_energy, bounds=(3.3, 3.8), options={"xatol": 1e-10}).x)


def fcc_bulk_modulus() -> float:
    """eV/A^3, V d^2E/dV^2."""
    volume = fcc_lattice_constant() ** 3 / 4
    changes = np.array([-2e-3, 0.0, 2e-3]) * volume
    energies = [fcc_energy((4 * (volume + change)) ** (1 / 3)) for change in changes]
    return volume * (energies[0] - 2 * energies[1] + energies[2]) / changes[2] ** 2


def fcc_elastic(component: tuple[int, int, int, int]) -> float:
    """C_ijkl in eV/A^3 of the crystal without pressure: sum of (phi'' - phi'/r) r_i r_j r_k r_l / r^2, over 2 V."""
    lattice_constant = fcc_lattice_constant()
    vectors = fcc_vectors(lattice_constant)
    lengths = np.linalg.norm(vectors, axis=1)
    first, second = pair_derivatives(lengths)
    products = np.prod(vectors[:, component], axis=1)
    return float(((second - first / lengths) * products / lengths**2).sum() / (2 * lattice_constant**3 / 4))


def fcc_frequencies(wave_vector: NDArray, mass: float, lattice_constant: float) -> NDArray:
    """[3] sqrt(eV/amu)/A, negative where imaginary, at a wave vector in 1/A without 2 pi."""
    vectors = fcc_vectors(lattice_constant)
    lengths = np.linalg.norm(vectors, axis=1)
    first, second = pair_derivatives(lengths)
    along = np.einsum("vi,vj->vij", vectors, vectors) / lengths[:, None, None] ** 2
    springs = second[:, None, None] * along + (first / lengths)[:, None, None] * (np.eye(3) - along)
    phases = 1 - np.cos(2 * np.pi * vectors @ wave_vector)
    squares = np.linalg.eigvalsh((springs * phases[:, None, None]).sum(axis=0) / mass)
    return np.sign(squares) * np.sqrt(np.abs(squares))
