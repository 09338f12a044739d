"""Reference energies for a run that starts from a potential, re-estimated from its errors on the training frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from potentials.config.data.labels import ReferenceSource
from potentials.data.findings import Findings
from potentials.data.infer.reference_energies import find_reference_energies, listing
from potentials.data.label import LabeledFrame


class Baseline(Protocol):
    """The potential that a run starts from."""

    @property
    def reference_energies(self) -> Mapping[str, float]:
        """Reference energies in eV, by element."""
        ...

    def energies(self, frames: Sequence[LabeledFrame]) -> Sequence[float]:
        """Compute the energy of each frame, eV."""
        ...


def re_estimated_energies(
    source: ReferenceSource,
    baseline: Baseline,
    elements: Sequence[str],
    train: Sequence[LabeledFrame],
    isolated_atoms: Sequence[LabeledFrame],
    findings: Findings,
    population: int,
) -> dict[str, float]:
    """Determine reference energies with which the starting potential has the smallest errors.

    E0_z = E0_z of the starting potential + dE0_z, where dE0 are determined like reference energies, from the errors of
    its energies instead of the energies. Elements that do not occur keep the energy of the starting potential.

    Args:
        source: how to determine them.
        baseline: the starting potential.
        elements: chemical symbols of the model.
        train, isolated_atoms, population: as in `find_reference_energies`.
        findings: receives a note with the energies, and warnings.

    Returns:
        Energies in eV by symbol.
    """
    present = {symbol for frame in (*train, *isolated_atoms) for symbol in frame.frame.atoms.get_chemical_symbols()}
    occurring = [symbol for symbol in elements if symbol in present]
    inner = Findings()
    errors, of_atoms = (_errors(baseline, frames) for frames in (train, isolated_atoms))
    changes = find_reference_energies(source, occurring, errors, of_atoms, inner, population)
    for text in inner.warnings:
        findings.warn(text)
    energies = {symbol: baseline.reference_energies[symbol] + changes.get(symbol, 0.0) for symbol in elements}
    shown = {symbol: energies[symbol] for symbol in occurring}
    known = [frame.energy / len(frame.forces) for frame in errors if np.isfinite(frame.energy)]
    where = "isolated atoms" if source == "isolated-atoms" else "training frames"
    if source == "auto":
        where = "training frames or isolated atoms"
    spread = f"; the errors of the starting potential were {np.mean(known):.4g} eV/atom on average" if known else ""
    findings.note(
        f"data.reference_energies = {listing(shown)} (re-estimated from the errors of the starting potential on the "
        f"{where}{spread})"
    )
    return energies


def _errors(baseline: Baseline, frames: Sequence[LabeledFrame]) -> list[LabeledFrame]:
    """Return the frames with the errors of the starting potential as energies."""
    computed = baseline.energies(frames)
    return [replace(frame, energy=frame.energy - energy) for frame, energy in zip(frames, computed, strict=True)]
