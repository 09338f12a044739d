"""Structures that can be rotated: atoms as spheres, bonds, the cell, and arrows such as forces."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

from potentials.pages import palette
from potentials.pages.rendering import as_script, render

_BOND = 1.2
"""Bonds are drawn up to this factor times the sum of covalent radii."""
_SPHERE = 0.45
"""Radius of a sphere relative to the covalent radius."""


@dataclass(frozen=True, eq=False)
class Arrows:
    """One arrow per atom.

    Args:
        name: name in the legend, with the unit.
        vectors: [N, 3].
        color: a color of `palette` or any CSS color.
        scale: arrow length in A for a vector of length one.
    """

    name: str
    vectors: NDArray[np.float64]
    color: str
    scale: float = 1.0


@dataclass(frozen=True, eq=False)
class StructureFrame:
    """One structure of a view.

    Args:
        label: text of its button.
        atoms: drawn without periodic images.
        arrows: drawn from the centers of the atoms.
        caption: text below the view.
        notes: [N] texts, shown with element and index when the pointer is on an atom.
    """

    label: str
    atoms: Atoms
    arrows: Sequence[Arrows] = ()
    caption: str = ""
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class StructureView:
    """An interactive view of structures; with several structures, a button for each.

    Args:
        frames: at least one structure.
        caption: text below the view.
        height: height in pixels.
    """

    frames: Sequence[StructureFrame]
    caption: str = ""
    height: int = 420

    def html(self) -> str:
        """Return an empty element in which the view is drawn when it becomes visible."""
        data = as_script(json.dumps([structure_json(frame) for frame in self.frames]))
        return render("structures.html", view=self, data=data)


def structure_json(frame: StructureFrame) -> dict[str, Any]:
    """Return the data for `structures.js`: positions (A), radii, colors, bonds, edges of the cell, arrows."""
    atoms = frame.atoms
    symbols = atoms.get_chemical_symbols()
    notes = list(frame.notes) or [""] * len(atoms)
    return {
        "label": frame.label,
        "caption": frame.caption,
        "symbols": symbols,
        "positions": np.round(atoms.positions, 4).tolist(),
        "radii": [round(_SPHERE * float(covalent_radii[number]), 3) for number in atoms.numbers],
        "colors": {symbol: palette.element_color(symbol) for symbol in sorted(set(symbols))},
        "bonds": _bonds(atoms),
        "cell": _cell_edges(atoms),
        "notes": notes,
        "arrows": [
            {
                "name": arrows.name,
                "color": arrows.color,
                "vectors": np.round(arrows.scale * np.asarray(arrows.vectors), 4).tolist(),
            }
            for arrows in frame.arrows
        ],
    }


def _bonds(atoms: Atoms) -> list[list[int]]:
    """Return the pairs of bonded atoms within the cell."""
    free = Atoms(numbers=atoms.numbers, positions=atoms.positions)
    cutoffs = [_BOND * float(covalent_radii[number]) for number in atoms.numbers]
    first, second = neighbor_list("ij", free, cutoffs)
    return [[int(i), int(j)] for i, j in zip(first, second, strict=True) if i < j]


def _cell_edges(atoms: Atoms) -> list[list[list[float]]]:
    """Return the twelve edges of the cell, each two points (A); empty if no direction is periodic."""
    if not atoms.pbc.any():
        return []
    cell = atoms.cell.array
    corners = [(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)]
    pairs = [(np.array(a), np.array(b)) for a in corners for b in corners if a < b and sum(abs(np.subtract(a, b))) == 1]
    return [[np.round(a @ cell, 4).tolist(), np.round(b @ cell, 4).tolist()] for a, b in pairs]
