"""What `prepare` asks of a part, whether its frames are in memory or stay in their files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from ase import Atoms
from numpy.typing import NDArray

from potentials.data.audit.duplicates import leak_finding
from potentials.data.audit.finding import AuditFinding
from potentials.data.graph import AtomicGraph, graphs_from_frames
from potentials.data.index.frame_index import structure_number
from potentials.data.label import LabelledFrame
from potentials.data.read import Frame
from potentials.data.split.lazy_frames import LazyFrames
from potentials.data.split.lazy_graphs import LazyGraphs

SAMPLED_FRAMES = 10_000
"""Frames that statistics are taken from where not all are in memory."""
_RARE = 100
"""Frames with an element that reference energies are fitted to, at least, if there are so many."""
_SAMPLE = 2
"""Keeps the choice of the sample apart from others with the same seed."""

Frames = Sequence[LabelledFrame]


def take(frames: Frames, chosen: Sequence[int]) -> Frames:
    """The frames at the places `chosen`."""
    if isinstance(frames, LazyFrames):
        return frames.take(chosen)
    return [frames[index] for index in chosen]


def elements_of(frames: Frames) -> set[str]:
    """Symbols that occur in any of the frames."""
    if isinstance(frames, LazyFrames):
        return frames.elements()
    return {symbol for frame in frames for symbol in set(frame.frame.atoms.get_chemical_symbols())}


def groups_of(parts: Mapping[str, Frames]) -> list[str]:
    """The names of the groups that occur in any part, in alphabetical order."""
    names: set[str] = set()
    for frames in parts.values():
        of_part = frames.group_names() if isinstance(frames, LazyFrames) else {frame.group for frame in frames}
        names |= of_part
    return sorted(names)


def graphs_of(frames: Frames, elements: Sequence[str], cutoff: float, groups: Sequence[str]) -> Sequence[AtomicGraph]:
    """The graphs of a part: built now, or when they are asked for."""
    if isinstance(frames, LazyFrames):
        return LazyGraphs(frames, elements, cutoff, groups)
    return graphs_from_frames(frames, elements, cutoff, groups)


def sample_places(count: int, seed: int) -> NDArray:
    """The places of the sampled frames among `count`, ascending: all, or `SAMPLED_FRAMES` drawn at random."""
    if count <= SAMPLED_FRAMES:
        return np.arange(count)
    return np.sort(np.random.Generator(np.random.PCG64([seed, _SAMPLE])).choice(count, SAMPLED_FRAMES, replace=False))


def sampled(frames: Frames, seed: int) -> list[LabelledFrame]:
    """Frames in memory: those that are there already, or a sample of those that stay in their files."""
    if isinstance(frames, LazyFrames):
        return [*frames.take(sample_places(len(frames), seed))]
    return frames if isinstance(frames, list) else [*frames]


def sampled_graphs(graphs: Sequence[AtomicGraph], seed: int) -> Sequence[AtomicGraph]:
    """The graphs of `sampled`, which are all of those in memory."""
    return graphs.take(sample_places(len(graphs), seed)) if isinstance(graphs, LazyGraphs) else graphs


def with_most_atoms(graphs: Sequence[AtomicGraph], count: int) -> Sequence[AtomicGraph]:
    """Graphs in memory: those that are there already, or of those that are built on demand the `count` largest."""
    if not isinstance(graphs, LazyGraphs):
        return graphs
    return [graphs[int(index)] for index in np.argsort(graphs.num_atoms, kind="stable")[-count:]]


def known_labels(graphs: Sequence[AtomicGraph]) -> tuple[bool, bool]:
    """Whether any graph has forces, and whether any has a stress."""
    if isinstance(graphs, LazyGraphs):
        return graphs.frames.has_forces(), graphs.frames.has_stress()
    forces = any(bool(torch.isfinite(graph.forces).any()) for graph in graphs)
    return forces, any(bool(torch.isfinite(graph.stress).any()) for graph in graphs)


def with_rare_elements(sample: list[LabelledFrame], frames: Frames, seed: int) -> list[LabelledFrame]:
    """The sample, and more frames of elements that are too rare in all frames to be in it."""
    if not isinstance(frames, LazyFrames) or len(sample) == len(frames):
        return sample
    there = np.zeros(len(frames), dtype=bool)
    there[sample_places(len(frames), seed)] = True
    more = np.zeros(len(frames), dtype=bool)
    for symbol in sorted(frames.elements()):
        with_it = frames.has_element(symbol)
        lacking = _RARE - int((with_it & (there | more)).sum())
        more[np.flatnonzero(with_it & ~there & ~more)[: max(0, lacking)]] = True
    return [*sample, *frames.where(more)]


def leaks(parts: Mapping[str, Frames], length_in_angstrom: float) -> Iterator[AuditFinding] | None:
    """Frames that are in an earlier part to the letter, found without reading any; None if all are in memory."""
    if not any(isinstance(frames, LazyFrames) for frames in parts.values()):
        return None
    return _leaks_by_index(parts, length_in_angstrom)


def _leaks_by_index(parts: Mapping[str, Frames], length_in_angstrom: float) -> Iterator[AuditFinding]:
    hashes = {part: _structures(frames, length_in_angstrom) for part, frames in parts.items()}
    names = list(parts)
    for position, part in enumerate(names):
        for earlier in names[:position]:
            same = np.flatnonzero(np.isin(hashes[part], hashes[earlier]))
            if len(same):
                found = [_named(parts[part], int(index)) for index in same]
                yield leak_finding(part, earlier, found, len(same), len(parts[part]))


def _named(frames: Frames, index: int) -> Frame:
    """A frame for its name; of those that stay in their files, without atoms."""
    if not isinstance(frames, LazyFrames):
        return frames[index].frame
    place = frames.place(index)
    return Frame(Atoms(), place.file, place.index)


def _structures(frames: Frames, length_in_angstrom: float) -> NDArray:
    if isinstance(frames, LazyFrames):
        return frames.structures
    all_atoms = [frame.frame.atoms for frame in frames]
    return np.array(
        [
            structure_number(
                atoms.numbers,
                atoms.positions / length_in_angstrom,
                atoms.cell.array / length_in_angstrom,
                np.asarray(atoms.pbc),
            )
            for atoms in all_atoms
        ],
        dtype=np.uint64,
    )
