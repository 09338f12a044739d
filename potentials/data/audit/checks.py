"""Checks of the data before training: elements, close contacts, leaks, cutoff."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np
from ase.data import covalent_radii

from potentials.config.data import DataConfig
from potentials.config.run import RunConfig
from potentials.data.findings import Findings
from potentials.data.geometry import neighbor_vectors
from potentials.data.infer import Statistics
from potentials.data.label import LabeledFrame
from potentials.data.read import Frame
from potentials.errors import DataError

SMALLEST_CUTOFF = 0.1
"""A; shorter than any interatomic distance."""
LARGEST_CUTOFF = 15.0
"""A; beyond it the cost of a message-passing model grows without a gain in accuracy."""
MANY_NEIGHBORS = 400
SHORTEST_DISTANCE = 0.4
"""A; shorter than any bond."""
LARGEST_RESIDUAL = 30.0
"""eV per atom; no cohesive energy comes near, so E0 and energies that differ more are of different levels or units."""
CONTACT_FRACTION = 0.5
"""Fraction of the sum of covalent radii."""


def check_cutoff(cutoff: float) -> None:
    """Check that the cutoff is in a reasonable range.

    Raises:
        DataError: it is smaller than `SMALLEST_CUTOFF`, or larger than `LARGEST_CUTOFF`.
    """
    if not cutoff >= SMALLEST_CUTOFF:
        raise DataError(f"the cutoff is {cutoff:g} A; expected at least {SMALLEST_CUTOFF:g} A, 4 to 6 A is usual")
    if cutoff > LARGEST_CUTOFF:
        raise DataError(
            f"the cutoff of {cutoff:g} A is unreasonably large: the number of neighbors grows with its cube; expected "
            f"at most {LARGEST_CUTOFF:g} A, usually 4 to 6 A"
        )


def check_neighbors(statistics: Statistics, cutoff: float, findings: Findings) -> None:
    """Warn about very many neighbors, and about atoms without neighbors."""
    if statistics.average_neighbors > MANY_NEIGHBORS:
        findings.warn(
            f"an atom has {statistics.average_neighbors:.0f} neighbors on average within model.cutoff = {cutoff:g} A; "
            "a smaller cutoff is many times faster; check data.length_unit"
        )
    if statistics.atoms_without_neighbors:
        findings.warn(
            f"{statistics.atoms_without_neighbors} of {statistics.num_atoms} atoms of the training frames have no "
            f"neighbor within model.cutoff = {cutoff:g} A; check data.length_unit, or choose a larger model.cutoff"
        )


def check_residual(statistics: Statistics, findings: Findings) -> None:
    """Warn where energies and reference energies cannot be of the same level of theory or unit."""
    if abs(statistics.residual_mean) > LARGEST_RESIDUAL:
        findings.warn(
            f"the energies differ from the reference energies by {statistics.residual_mean:.1f} eV per atom, more than "
            "any bond energy; check that both have the same level of theory and the same unit"
        )


def check_loss(config: RunConfig, findings: Findings) -> None:
    """Warn of labels that are read but not trained on; the configuration itself refuses the opposite."""
    losses = [config.loss] + ([config.train.second_stage.loss] if config.train.second_stage else [])
    labels = {
        "energy": config.data.energy,
        "forces": config.data.forces,
        "stress": config.data.stress or config.data.virial,
    }
    for name, label in labels.items():
        if label is not None and all(getattr(loss, name).weight == 0 for loss in losses):
            findings.warn(f"the {name} labels are used for errors but not for training: loss.{name}.weight = 0")


def check_group_weights(data: DataConfig, known: Sequence[str]) -> None:
    """Make sure that there are frames of each group that has weights of its own.

    Raises:
        DataError: there are none; the message suggests the nearest name.
    """
    for name in data.weights.groups:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            suggestion = f'; did you mean "{nearest[0]}"?' if nearest else ""
            raise DataError(
                f'data.weights.groups: no frame is in the group "{name}" (data.group_key: {data.group_key}; groups: '
                f"{', '.join(known)}){suggestion}"
            )


def find_contacts(frames: Sequence[LabeledFrame]) -> list[tuple[Frame, float]]:
    """Return frames with atoms closer than 0.4 A or half the sum of covalent radii, with their shortest distance, A."""
    close = []
    for labeled in frames:
        atoms = labeled.frame.atoms
        radii = covalent_radii[atoms.numbers]
        (sender, receiver), vectors = neighbor_vectors(
            atoms, max(SHORTEST_DISTANCE, 2 * CONTACT_FRACTION * radii.max())
        )
        distances = np.linalg.norm(vectors, axis=1)
        allowed = np.maximum(SHORTEST_DISTANCE, CONTACT_FRACTION * (radii[sender] + radii[receiver]))
        if (distances < allowed).any():
            close.append((labeled.frame, float(distances.min())))
    return close
