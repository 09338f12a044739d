"""The kind of energies: total, atomization, per atom; and whether the reference energies belong to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from potentials.data.audit.finding import AuditFinding
from potentials.data.findings import Findings
from potentials.data.infer import composition_matrix, isolated_atom_energies
from potentials.data.label import LabeledFrame
from potentials.errors import DataError

COHESIVE = (-15.0, 1.0)
"""eV/atom: from below the strongest cohesion (tungsten: -8.9) to nearly unbound atoms."""
_VARIED = 0.2
"""Standard deviation of the numbers of atoms over their mean, above which sizes differ enough for this check."""


def energy_kind(frames: Sequence[LabeledFrame]) -> str:
    """Describe the kind of the energies in words."""
    energies, atoms = _energies(frames)
    if not len(energies):
        return "no energies"
    mean = float((energies / atoms).mean())
    kind = "total energies"
    if COHESIVE[0] <= mean <= COHESIVE[1]:
        kind = (
            "cohesive or atomization energies, or total energies of a method with valence electrons only "
            "(pseudopotentials, tight binding)"
        )
    elif COHESIVE[1] < mean <= -COHESIVE[0]:
        kind = "energies of the wrong sign, or relative to another reference"
    return f"{mean:.4g} eV/atom on average: {kind}"


def energy_kind_findings(
    split: str, frames: Sequence[LabeledFrame], isolated: Sequence[LabeledFrame]
) -> Iterator[AuditFinding]:
    """Yield energies per atom, where sizes differ, and isolated atoms of another level of theory or kind."""
    yield from _per_atom(split, frames)
    yield from _isolated_atoms(split, frames, isolated)


def _energies(frames: Sequence[LabeledFrame]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    labeled = [frame for frame in frames if np.isfinite(frame.energy)]
    sizes = np.array([len(frame.forces) for frame in labeled], dtype=float)
    return np.array([frame.energy for frame in labeled]), sizes


def _per_atom(split: str, frames: Sequence[LabeledFrame]) -> Iterator[AuditFinding]:
    energies, atoms = _energies(frames)
    if len(energies) < 5 or atoms.std() < _VARIED * atoms.mean() or not energies.all():
        return
    x, y = np.log(atoms) - np.log(atoms).mean(), np.log(np.abs(energies))
    exponent = float(x @ y / (x @ x))
    if abs(exponent) < 0.3 and _are_per_atom(frames):
        yield AuditFinding(
            "energy-per-atom",
            "error",
            f"{split}: energies hardly depend on the number of atoms N (they scale as N^{exponent:.2f}) and look like "
            "energies per atom",
            "they are read as energies of whole frames, whose negative gradients are the forces",
            "multiply them by the number of atoms",
            figures={"exponent": exponent},
        )


def _are_per_atom(frames: Sequence[LabeledFrame]) -> bool:
    """Return whether a sum of constants per atom describes the energies much worse than a mean of such constants."""
    labeled = [frame for frame in frames if np.isfinite(frame.energy)]
    elements = sorted({symbol for frame in labeled for symbol in frame.frame.atoms.get_chemical_symbols()})
    _, counts = composition_matrix(labeled, elements)
    energies, atoms = _energies(frames)
    residuals = []
    for matrix in (counts, counts / atoms[:, None]):
        solution = np.linalg.lstsq(matrix, energies, rcond=None)[0]
        residuals.append(float(np.linalg.norm(matrix @ solution - energies)))
    return residuals[1] < 0.5 * residuals[0]


def _isolated_atoms(
    split: str, frames: Sequence[LabeledFrame], isolated: Sequence[LabeledFrame]
) -> Iterator[AuditFinding]:
    """Yield unphysical cohesive energies relative to the isolated atoms."""
    try:
        known = isolated_atom_energies(isolated, Findings())
    except DataError as error:
        yield AuditFinding(
            "conflicting-isolated-atoms",
            "error",
            f"{split}: {error}",
            "reference energies of two levels of theory cannot both be consistent with the frames",
            "keep the isolated atoms computed at the level of theory of the frames",
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
        hint = "energies and isolated atoms have different levels of theory or units"
        if COHESIVE[0] <= float((energies / atoms).mean()) <= COHESIVE[1]:
            hint = (
                "the energies are cohesive or atomization energies, from which the energies of the atoms are already "
                "subtracted"
            )
        yield AuditFinding(
            "inconsistent-isolated-atoms",
            "error",
            f"{split}: the energies of the isolated atoms give a mean cohesive energy of {-mean:.4g} eV per atom, "
            "which is unphysical",
            "with inconsistent reference energies the model must fit a large offset, and dissociation energies are "
            "wrong",
            f"probable cause: {hint}; give isolated atoms computed at the same level of theory, or none",
            tuple(frame.frame for frame in isolated),
            {"binding_eV_per_atom": -mean},
        )
