"""Frames of a report with the predictions of the potential."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from potentials.data.batch import BatchLimit
from potentials.data.graph import graphs_from_frames, group_names
from potentials.data.label import LabeledFrame
from potentials.data.split import as_split
from potentials.evaluation.labeled_predictions import Evaluation, evaluate_graphs
from potentials.potential import Potential

TRAIN = "train"
"""Name of the training split."""
MOST_FRAMES = 3000
MOST_ATOMS = 20_000
"""Largest number of atoms of a split that are evaluated; larger splits are sampled."""
_FEWEST_ATOMS = 1000
_ATOMS_AT_ONCE = 800
_TIMED_ATOMS = 500
_SAMPLE = 3
"""Seed component that separates this sample from others with the same seed."""


@dataclass(frozen=True, eq=False)
class EvaluatedSplit:
    """Evaluated frames of a split and their predictions."""

    name: str
    frames: Sequence[LabeledFrame]
    total: int
    """Number of labeled frames of the split; larger than the number of `frames` if these are a sample."""
    evaluation: Evaluation
    elements: Sequence[str]
    """Elements of the potential, indexed by `evaluation.parity.species`."""
    reference_energies: NDArray[np.float64]
    """Energy of an isolated atom of each element, eV."""

    @property
    def is_sample(self) -> bool:
        """Whether the split has more frames than were evaluated."""
        return len(self.frames) < self.total

    @property
    def count(self) -> str:
        """Number of frames as text: `300`, or for a sample `300 of 5,000`."""
        return f"{len(self.frames):,} of {self.total:,}" if self.is_sample else f"{self.total:,}"

    @property
    def starts(self) -> NDArray[np.int64]:
        """[frames + 1], index of the first atom of each frame."""
        return np.concatenate([[0], np.cumsum(self.evaluation.parity.atoms)]).astype(np.int64)

    @property
    def frame_of_atom(self) -> NDArray[np.int64]:
        """[N], index of each atom's frame."""
        return np.repeat(np.arange(len(self.frames)), self.evaluation.parity.atoms)


@dataclass(frozen=True, eq=False)
class Evaluated:
    """All evaluated splits, and remarks on those that could not be evaluated."""

    splits: Sequence[EvaluatedSplit]
    remarks: Sequence[str]

    @property
    def unseen(self) -> Sequence[EvaluatedSplit]:
        """The splits other than the training set."""
        return [split for split in self.splits if split.name != TRAIN]


def evaluate_splits(
    potential: Potential, splits: Mapping[str, Sequence[LabeledFrame]], seed: int, seconds: float
) -> Evaluated:
    """Predict energies, forces and stresses of labeled frames.

    Frames without labels, or with elements that the potential does not support, are omitted with a remark. Of splits
    with more than `MOST_FRAMES` frames or `MOST_ATOMS` atoms, a random sample is evaluated; the sample is smaller if
    the potential is slow.

    Args:
        potential: potential in evaluation mode, used on its device.
        splits: labeled frames by name.
        seed: seed of the samples.
        seconds: approximate limit of the total time.
    """
    usable, remarks = {}, []
    for name, frames in splits.items():
        chosen, total, notes = _usable(potential, name, frames, seed)
        remarks += notes
        if chosen:
            usable[name] = chosen, total
    found: list[EvaluatedSplit] = []
    if usable:
        first, _ = next(iter(usable.values()))
        most = _affordable_atoms(potential, first, seconds / len(usable))
        for name, (chosen, total) in usable.items():
            kept = [chosen[int(place)] for place in sampled_places(atom_counts(chosen), seed, most)]
            found.append(_evaluated(potential, name, kept, total))
    return Evaluated(found, remarks)


def _evaluated(potential: Potential, name: str, frames: Sequence[LabeledFrame], total: int) -> EvaluatedSplit:
    groups = group_names(frames)
    graphs = graphs_from_frames(frames, potential.elements, potential.cutoff, groups)
    limit = BatchLimit("atoms", _ATOMS_AT_ONCE)
    evaluation = evaluate_graphs(potential, graphs, limit=limit, split=name, groups=groups, rotations=False)
    energies = potential.reference_energies.cpu().numpy()
    return EvaluatedSplit(name, frames, total, evaluation, potential.elements, energies)


def _affordable_atoms(potential: Potential, frames: Sequence[LabeledFrame], seconds: float) -> int:
    """Estimate how many atoms of a split can be evaluated within a time limit; at most `MOST_ATOMS`.

    The number is rounded coarsely, so that two reports on one machine use the same sample.
    """
    few = frames[: 1 + int(np.searchsorted(np.cumsum(atom_counts(frames)), _TIMED_ATOMS))]
    for _ in range(2):  # the first evaluation includes compilation and memory allocation
        start = time.perf_counter()
        _evaluated(potential, "", few, len(few))
        elapsed = time.perf_counter() - start
    affordable = int(atom_counts(few).sum() / elapsed * seconds)
    most = MOST_ATOMS
    while most > max(affordable, _FEWEST_ATOMS):
        most //= 2
    return most


def _usable(
    potential: Potential, name: str, frames: Sequence[LabeledFrame], seed: int
) -> tuple[list[LabeledFrame], int, list[str]]:
    """Return frames to evaluate, the number of frames of this type, and remarks on the others."""
    sample = sampled_places(atom_counts(frames), seed, MOST_ATOMS)
    read = [frames[int(place)] for place in sample]
    labeled = [frame for frame in read if frame.has_label]
    known = set(potential.elements)
    usable = [frame for frame in labeled if known.issuperset(frame.frame.atoms.get_chemical_symbols())]
    remarks = []
    if len(labeled) < len(read):
        remarks.append(f"{name}: ignored frames without labels: {len(read) - len(labeled)} of {len(read)}")
    if len(usable) < len(labeled):
        symbols = {symbol for frame in labeled for symbol in frame.frame.atoms.get_chemical_symbols()}
        remarks.append(
            f"{name}: ignored frames with elements that the potential does not support "
            f"({', '.join(sorted(symbols - known))}; supported: {', '.join(sorted(known))}): "
            f"{len(labeled) - len(usable)} of {len(labeled)}"
        )
    total = len(usable) if len(sample) == len(frames) else round(len(frames) * len(usable) / len(sample))
    return usable, total, remarks


def sampled_places(num_atoms: NDArray[np.int64], seed: int, most_atoms: int) -> NDArray[np.int64]:
    """Return the indices of the evaluated frames, ascending: all, or as many random ones as the limits allow.

    Args:
        num_atoms: number of atoms of each frame.
        seed: seed of the sample.
        most_atoms: limit of the total number of atoms; at least one frame is selected.
    """
    order = np.random.Generator(np.random.PCG64([seed, _SAMPLE])).permutation(len(num_atoms))[:MOST_FRAMES]
    fitting = max(1, int(np.searchsorted(np.cumsum(num_atoms[order]), most_atoms, side="right")))
    return np.sort(order[:fitting])


def atom_counts(frames: Sequence[LabeledFrame]) -> NDArray[np.int64]:
    """[frames], numbers of atoms, without reading frames that are still in their files."""
    return as_split(frames).num_atoms
