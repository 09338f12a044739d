"""Checks of the data before training: elements, close contacts, leaks, cutoff."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from ase.data import atomic_numbers, covalent_radii

from potentials.data.findings import Findings
from potentials.data.geometry import neighbor_list
from potentials.data.infer import Statistics
from potentials.data.label import LabelledFrame
from potentials.data.read import Frame, Located, frame_list
from potentials.data.split.lazy_frames import LazyFrames
from potentials.errors import DataError

SMALLEST_CUTOFF = 0.1
"""A; shorter than any interatomic distance."""
LARGEST_CUTOFF = 15.0
"""A; beyond it the cost of a message-passing model grows without a gain in accuracy."""
MANY_NEIGHBORS = 400
SHORTEST_DISTANCE = 0.4
"""A; shorter than any bond."""
CONTACT_FRACTION = 0.5
"""Fraction of the sum of covalent radii."""


def check_elements(elements: Sequence[str], train: Sequence[LabelledFrame]) -> None:
    """Check that the training frames contain only elements given in `elements`.

    Raises:
        DataError: they contain others; the message names symbols and frames.
    """
    unknown = _unknown_elements(elements, train)
    if unknown:
        raise DataError(f"model.elements lacks {_unknown_list(unknown)}; add what is missing, or leave it at auto")


def check_elements_of_part(elements: Sequence[str], part: str, frames: Sequence[LabelledFrame]) -> None:
    """Check that validation or test frames contain only elements that occur in the training frames.

    Raises:
        DataError: they contain others; the message names symbols and frames.
    """
    unknown = _unknown_elements(elements, frames)
    if unknown:
        raise DataError(
            f"the {part} frames contain elements that the training frames lack: {_unknown_list(unknown)}; "
            "a model cannot learn elements that are not in the training set: add training frames or remove these frames"
        )


def check_cutoff(cutoff: float) -> None:
    """Check that the cutoff is in a reasonable range.

    Raises:
        DataError: it is smaller than `SMALLEST_CUTOFF`, or larger than `LARGEST_CUTOFF`.
    """
    if not cutoff >= SMALLEST_CUTOFF:
        raise DataError(f"the cutoff is {cutoff:g} A; expected at least {SMALLEST_CUTOFF:g} A, 4 to 6 A is usual")
    if cutoff > LARGEST_CUTOFF:
        raise DataError(
            f"model.cutoff = {cutoff:g} A is unreasonably large: the number of neighbors grows with its third power; "
            f"4 to 6 A is usual, the maximum is {LARGEST_CUTOFF:g} A"
        )


def check_neighbors(statistics: Statistics, cutoff: float, findings: Findings) -> None:
    """Check that the training frames have edges; warn about very many neighbors and atoms without neighbors.

    Raises:
        DataError: no atom of any training frame has a neighbor.
    """
    if statistics.num_edges == 0:
        raise DataError(
            f"no atom of the {statistics.num_frames} training frames has a neighbor within "
            f"model.cutoff = {cutoff:g} A; check the unit of length (data.length_unit)"
        )
    if statistics.average_neighbors > MANY_NEIGHBORS:
        findings.warn(
            f"an atom has {statistics.average_neighbors:.0f} neighbors on average within model.cutoff = {cutoff:g} A; "
            "a smaller cutoff is many times faster; check data.length_unit"
        )
    if statistics.lonely_atoms:
        findings.warn(
            f"{statistics.lonely_atoms} of {statistics.num_atoms} atoms of the training frames have no neighbor "
            f"within model.cutoff = {cutoff:g} A"
        )


def find_contacts(frames: Sequence[LabelledFrame]) -> list[tuple[Frame, float]]:
    """Return frames with atoms closer than 0.4 A or half the sum of covalent radii, with their shortest distance, A."""
    close = []
    for labelled in frames:
        atoms = labelled.frame.atoms
        radii = covalent_radii[atoms.numbers]
        (sender, receiver), shifts = neighbor_list(
            atoms.positions, atoms.cell.array, atoms.pbc, max(SHORTEST_DISTANCE, 2 * CONTACT_FRACTION * radii.max())
        )
        cell = np.where(atoms.pbc[:, None], atoms.cell.array, 0.0)
        distances = np.linalg.norm(atoms.positions[receiver] - atoms.positions[sender] + shifts @ cell, axis=1)
        allowed = np.maximum(SHORTEST_DISTANCE, CONTACT_FRACTION * (radii[sender] + radii[receiver]))
        if (distances < allowed).any():
            close.append((labelled.frame, float(distances.min())))
    return close


def structure_hash(labelled: LabelledFrame) -> bytes:
    """Hash elements, positions, cell and periodicity (to 1e-6 A); labels do not matter."""
    atoms = labelled.frame.atoms
    digest = hashlib.sha256(np.asarray(atoms.numbers, dtype="<i8").tobytes())
    cell = np.where(atoms.pbc[:, None], atoms.cell.array, 0.0)
    for lengths in (atoms.positions, cell):
        digest.update(np.rint(np.asarray(lengths) * 1e6).astype("<i8").tobytes())
    digest.update(np.asarray(atoms.pbc, dtype=np.uint8).tobytes())
    return digest.digest()


def _unknown_elements(elements: Sequence[str], frames: Sequence[LabelledFrame]) -> dict[str, str]:
    """Return symbols that are not in `elements`, by atomic number, each with a list of the frames that contain it."""
    if isinstance(frames, LazyFrames):
        having = {symbol: frames.where(frames.has_element(symbol)) for symbol in frames.elements() - set(elements)}
        unknown = {symbol: frame_list(of_symbol.places(), count=len(of_symbol)) for symbol, of_symbol in having.items()}
    else:
        found: dict[str, list[Located]] = {}
        for labelled in frames:
            for symbol in set(labelled.frame.atoms.get_chemical_symbols()) - set(elements):
                found.setdefault(symbol, []).append(labelled.frame)
        unknown = {symbol: frame_list(of_symbol) for symbol, of_symbol in found.items()}
    return dict(sorted(unknown.items(), key=lambda item: atomic_numbers[item[0]]))


def _unknown_list(unknown: Mapping[str, str]) -> str:
    return "; ".join(f"{symbol} in {frames}" for symbol, frames in unknown.items())
