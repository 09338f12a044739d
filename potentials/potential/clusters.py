"""Small test structures of the elements of a potential, for measurements without data."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii

_SPACING = 2.4
_RATTLE = 0.1


def rattled_cluster(elements: list[str], scale: float) -> Atoms:
    """Create 27 atoms on a rattled simple cubic grid, cycling through the elements.

    Args:
        elements: chemical symbols.
        scale: the nearest-neighbor distance is `2.4 scale` mean covalent radii, before random displacements with a
            standard deviation of 0.1 A.
    """
    radius = float(np.mean([covalent_radii[atomic_numbers[symbol]] for symbol in elements]))
    grid = np.stack(np.meshgrid(*[range(3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    rattle = _RATTLE * np.random.default_rng(0).normal(size=(27, 3))
    positions = scale * _SPACING * radius * grid + rattle
    return Atoms([elements[i % len(elements)] for i in range(27)], positions=positions)
