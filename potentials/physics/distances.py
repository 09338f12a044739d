"""Interatomic distances in many structures: distributions, bonds, and closest pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from numpy.typing import NDArray

from potentials.data.geometry import neighbor_vectors

BOND = 1.25
"""Atoms closer than this fraction of the sum of their covalent radii are bonded."""


@dataclass(frozen=True, eq=False)
class DistanceDistribution:
    """Distribution of the distances between atoms of two elements."""

    distances: NDArray[np.float64]
    """[B] A, centers of the bins."""
    density: NDArray[np.float64]
    """[B]: the radial distribution function, which tends to one, if all structures are periodic in three directions;
    otherwise the density of distances in 1/A, whose integral up to the largest distance is one."""
    periodic: bool


@dataclass(frozen=True)
class BondLengths:
    """Statistics of the bonds between two elements."""

    count: int
    mean: float
    """A."""
    std: float
    """A."""


def distance_distributions(
    structures: Sequence[Atoms], largest: float, bins: int = 150
) -> dict[str, DistanceDistribution]:
    """Compute distributions by pair of elements, named as "C-H", up to a largest distance (A).

    The radial distribution function of A and B is the number of B in a shell around an A, divided by the number for
    uniformly distributed B, averaged over the structures with both.
    """
    edges = np.linspace(0, largest, bins + 1)
    centers, width = (edges[1:] + edges[:-1]) / 2, edges[1]
    periodic = all(atoms.pbc.all() for atoms in structures)
    sums: dict[str, NDArray[np.float64]] = {}
    weights: dict[str, int] = {}
    for atoms in structures:
        symbols = np.array(atoms.get_chemical_symbols())
        for name, distances in pair_distances(atoms, largest):
            first, second = name.split("-")
            count = np.histogram(distances, edges)[0].astype(float)
            if periodic:
                pairs = int((symbols == first).sum()) * int((symbols == second).sum())
                shells = 4 * np.pi * (centers**2 + width**2 / 12) * width
                count /= pairs * shells / atoms.get_volume()
            sums[name] = sums.get(name, 0) + count
            weights[name] = weights.get(name, 0) + 1
    return {
        name: DistanceDistribution(
            centers, total / (weights[name] if periodic else max(total.sum(), 1.0) * width), periodic
        )
        for name, total in sorted(sums.items())
    }


def pair_distances(atoms: Atoms, largest: float) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield the name of each pair of elements, in alphabetical order, and its distances (A) below the largest one.

    Distances are from each atom of the first element to each of the second, so pairs of equal elements count twice.
    """
    symbols = np.array(atoms.get_chemical_symbols())
    sender, receiver, distances = _edges(atoms, largest)
    for one in np.unique(symbols):
        for two in np.unique(symbols):
            if one <= two:
                yield f"{one}-{two}", distances[(symbols[sender] == one) & (symbols[receiver] == two)]


def bond_lengths(structures: Sequence[Atoms]) -> dict[str, BondLengths]:
    """Compute bond statistics of all bonded pairs of elements, by name."""
    found: dict[str, list[NDArray[np.float64]]] = {}
    for atoms in structures:
        first, second, lengths = bonds(atoms)
        symbols = np.array(atoms.get_chemical_symbols())
        names = np.array(["-".join(sorted(pair)) for pair in zip(symbols[first], symbols[second], strict=True)])
        for name in np.unique(names):
            found.setdefault(str(name), []).append(lengths[names == name])
    return {
        name: BondLengths(len(lengths), float(lengths.mean()), float(lengths.std()))
        for name, lengths in ((name, np.concatenate(parts)) for name, parts in sorted(found.items()))
    }


def bonds(atoms: Atoms) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return first atoms, second atoms, and lengths (A) of all bonds, each once; bonds to other images are separate."""
    radii = covalent_radii[atoms.numbers]
    sender, receiver, distances = _edges(atoms, 2 * BOND * float(radii.max()))
    bonded = (distances < BOND * (radii[sender] + radii[receiver])) & (sender <= receiver)
    return sender[bonded], receiver[bonded], distances[bonded]


def too_close(atoms: Atoms, least: Mapping[str, float]) -> str | None:
    """Describe a pair of atoms closer than the minimum distance (A) of its elements; None if there is none."""
    for name, distances in pair_distances(atoms, max(least.values())):
        closest = distances.min(initial=np.inf)
        if closest < least.get(name, 0.0):
            first, second = name.split("-")
            pair = f"two {first} atoms" if first == second else f"{first} and {second} atoms"
            return f"{pair} are {closest:.2f} A apart"
    return None


def _edges(atoms: Atoms, largest: float) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    (sender, receiver), vectors = neighbor_vectors(atoms, largest)
    return sender, receiver, np.linalg.norm(vectors, axis=1)
