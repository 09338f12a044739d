"""Selection and positions of the atoms shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from potentials.errors import DataError
from potentials.pages import StructureFrame
from potentials.pages.structure import structure_json

MOST_SHOWN = 40
"""Largest number of atoms shown, limited by the legibility of the drawing and the size of the page."""
MOST_ATOMS = 5000
"""Largest number of atoms of a structure, which the network evaluates many times."""


@dataclass(frozen=True, eq=False)
class Scene:
    """The atoms that are shown.

    Args:
        atoms: the complete structure.
        shown: indices of the atoms shown.
        positions: [shown, 3] A, centered at the origin; in periodic structures the images nearest to the first atom
            selected.
        note: sentence on atoms that are not shown; empty if all are shown.
    """

    atoms: Atoms
    shown: NDArray[np.int64]
    positions: NDArray[np.float64]
    note: str

    @property
    def symbols(self) -> list[str]:
        """Chemical symbols of the atoms shown."""
        symbols = self.atoms.get_chemical_symbols()
        return [symbols[number] for number in self.shown]

    def json(self) -> dict[str, Any]:
        """Return the data for `visualize.js`, as those of `structure_json`, with the indices of the atoms."""
        drawn = Atoms(self.symbols, positions=self.positions)
        return {**structure_json(StructureFrame("", drawn)), "numbers": self.shown.tolist(), **self._view()}

    def _view(self) -> dict[str, Any]:
        """Return the best direction of view: the longest axis of the structure is horizontal."""
        _, _, axes = np.linalg.svd(self.positions)
        along, across, through = axes * np.sign(axes[np.arange(3), np.abs(axes).argmax(axis=1)])[:, None]
        eye = through + 0.25 * across + 0.2 * along
        return {"eye": np.round(eye / np.linalg.norm(eye), 4).tolist(), "up": np.round(across, 4).tolist()}


def scene_of(atoms: Atoms, center: int | None = None) -> Scene:
    """Select the atoms to show.

    Args:
        atoms: the structure.
        center: index of the atom whose surroundings are shown if there are too many atoms; by default the atom nearest
            to the center.

    Raises:
        DataError: no atoms, too many, or no atom of that index.
    """
    if not len(atoms):
        raise DataError("the structure has no atoms")
    if len(atoms) > MOST_ATOMS:
        raise DataError(f"expected at most {MOST_ATOMS} atoms, got {len(atoms)}; cut out the region of interest")
    if center is not None and not 0 <= center < len(atoms):
        raise DataError(f"--atom: expected an integer from 0 to {len(atoms) - 1}, got {center}")
    chosen = center
    if chosen is None:
        chosen = int(np.argmin(np.linalg.norm(atoms.positions - atoms.positions.mean(axis=0), axis=1)))
    if len(atoms) <= MOST_SHOWN:
        shown, positions, note = np.arange(len(atoms)), np.array(atoms.positions), ""
    else:
        offsets = atoms.get_distances(chosen, np.arange(len(atoms)), mic=True, vector=True)
        nearest = np.argsort(np.linalg.norm(offsets, axis=1), kind="stable")[:MOST_SHOWN]
        shown = np.sort(nearest)
        positions = offsets[shown]
        symbol = atoms.get_chemical_symbols()[chosen]
        note = (
            f"The structure has {len(atoms)} atoms. The model is evaluated for all of them; the page shows the "
            f"{MOST_SHOWN} nearest to atom {symbol} {chosen} (--atom chooses another)."
        )
    return Scene(atoms, shown.astype(np.int64), positions - positions.mean(axis=0), note)
