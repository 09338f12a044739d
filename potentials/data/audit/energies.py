"""What kind of energies these are: total, of atomisation, per atom; and whether reference energies belong to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from potentials.data.audit.finding import AuditFinding
from potentials.data.findings import Findings
from potentials.data.infer import composition_matrix, isolated_atom_energies
from potentials.data.label import LabelledFrame
from potentials.errors import DataError

COHESIVE = (-15.0, 1.0)
"""eV an atom: from the strongest cohesion (tungsten: -8.9) with room to spare, to atoms that hardly bind."""
_VARIED = 0.2
"""Standard deviation of the numbers of atoms over their mean, from which on sizes say something."""


def energy_kind(frames: Sequence[LabelledFrame]) -> str:
    """What the energies look like, in words."""
    energies, atoms = _energies(frames)
    if not len(energies):
        return "no energies"
    mean = float((energies / atoms).mean())
    kind = "total energies"
    if COHESIVE[0] <= mean <= COHESIVE[1]:
        kind = "cohesive or atomisation energies, or those of a model with valence electrons only"
    elif COHESIVE[1] < mean <= -COHESIVE[0]:
        kind = "energies of the wrong sign, or relative to something else"
    return f"{mean:.4g} eV/atom on average: {kind}"


def energy_kind_findings(
    part: str, frames: Sequence[LabelledFrame], isolated: Sequence[LabelledFrame]
) -> Iterator[AuditFinding]:
    """Energies per atom where sizes differ, and isolated atoms of another level or kind."""
    yield from _per_atom(part, frames)
    yield from _foreign_atoms(part, frames, isolated)


def _energies(frames: Sequence[LabelledFrame]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    labelled = [frame for frame in frames if np.isfinite(frame.energy)]
    sizes = np.array([len(frame.forces) for frame in labelled], dtype=float)
    return np.array([frame.energy for frame in labelled]), sizes


def _per_atom(part: str, frames: Sequence[LabelledFrame]) -> Iterator[AuditFinding]:
    energies, atoms = _energies(frames)
    if len(energies) < 5 or atoms.std() < _VARIED * atoms.mean() or not energies.all():
        return
    x, y = np.log(atoms) - np.log(atoms).mean(), np.log(np.abs(energies))
    exponent = float(x @ y / (x @ x))
    if abs(exponent) < 0.3 and _are_per_atom(frames):
        yield AuditFinding(
            "energy-per-atom",
            "error",
            f"{part}: energies hardly depend on the number of atoms (as its power {exponent:.2f}): they look like "
            "energies per atom",
            "they are taken for the energies of whole frames, which forces are the gradient of",
            "multiply them by the number of atoms",
            figures={"exponent": exponent},
        )


def _are_per_atom(frames: Sequence[LabelledFrame]) -> bool:
    """Whether sums of a constant for each atom describe the energies much worse than means of such constants do."""
    labelled = [frame for frame in frames if np.isfinite(frame.energy)]
    elements = sorted({symbol for frame in labelled for symbol in frame.frame.atoms.get_chemical_symbols()})
    _, counts = composition_matrix(labelled, elements)
    energies, atoms = _energies(frames)
    residuals = []
    for matrix in (counts, counts / atoms[:, None]):
        solution = np.linalg.lstsq(matrix, energies, rcond=None)[0]
        residuals.append(float(np.linalg.norm(matrix @ solution - energies)))
    return residuals[1] < 0.5 * residuals[0]


def _foreign_atoms(
    part: str, frames: Sequence[LabelledFrame], isolated: Sequence[LabelledFrame]
) -> Iterator[AuditFinding]:
    """Cohesive energies far from any that exist, by the isolated atoms' energies."""
    try:
        known = isolated_atom_energies(isolated, Findings())
    except DataError as error:
        yield AuditFinding(
            "contradicting-isolated-atoms",
            "error",
            f"{part}: {error}",
            "reference energies of two levels of theory fit none of the frames",
            "keep the atoms of the frames' own level",
            tuple(frame.frame for frame in isolated),
        )
        return
    there = [
        frame
        for frame in frames
        if np.isfinite(frame.energy) and set(frame.frame.atoms.get_chemical_symbols()) <= set(known)
    ]
    if not there:
        return
    binding = [
        (frame.energy - sum(known[symbol] for symbol in frame.frame.atoms.get_chemical_symbols())) / len(frame.forces)
        for frame in there
    ]
    mean = float(np.mean(binding))
    if not COHESIVE[0] <= mean <= COHESIVE[1]:
        energies, atoms = _energies(frames)
        hint = "energies and isolated atoms are of different levels of theory or units"
        if COHESIVE[0] <= float((energies / atoms).mean()) <= COHESIVE[1]:
            hint = "the energies look like cohesive or atomisation energies, from which atoms were subtracted already"
        yield AuditFinding(
            "foreign-isolated-atoms",
            "error",
            f"{part}: with the energies of the isolated atoms, an atom is bound by {-mean:.4g} eV on average, which "
            "none is",
            "reference energies of another kind leave the model a huge energy to explain, and dissociation is wrong",
            f"it looks as if {hint}; give isolated atoms of the same calculation, or none",
            tuple(frame.frame for frame in isolated),
            {"binding_eV_per_atom": -mean},
        )
