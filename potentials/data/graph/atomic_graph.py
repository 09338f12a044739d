"""The graph of one structure, and batches of graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from ase import Atoms
from numpy.typing import NDArray
from torch_geometric.data import Batch, Data

from potentials.data.geometry import build_geometry
from potentials.data.label import LabeledFrame
from potentials.errors import DataError, UnknownElementError

GraphBatch: TypeAlias = Batch
"""Several `AtomicGraph` in one: the same fields, and `batch` [N] (the graph of each atom), `ptr`, `num_graphs`."""


class AtomicGraph(Data):
    """One structure of N atoms and E edges. Floating point fields are float64; missing labels are NaN.

    | field | shape | meaning |
    |---|---|---|
    | positions | [N, 3] | A |
    | cell | [1, 3, 3] | cell vectors in rows, A; zero along directions that are not periodic |
    | pbc | [1, 3] | bool |
    | species | [N] | int64, index into the model's elements |
    | edge_index | [2, E] | int64, (sender, receiver), sorted by receiver |
    | cell_shifts | [E, 3] | integers S: r = x[receiver] - x[sender] + S @ cell |
    | receiver_degree, sender_degree | [N] | int64, number of edges that end at an atom, and that start at it |
    | sender_order | [E] | int64, the permutation that sorts the edges by sender |
    | edge_pair | [E] | int64, index of the pair of each edge; a pair is an edge and its reverse, W = E / 2 |
    | pair_edges | [W, 2] | int64, the two edges of each pair |
    | energy, forces, stress | [1], [N, 3], [1, 3, 3] | labels in eV, eV/A, eV/A^3 |
    | energy_weight, forces_weight, stress_weight | [1] | weight of the label times that of the frame |
    | group, frame_index | [1] | int64, index of the group's name, position in the list of frames |
    | head | [1] | int64, index of the head (level of theory) of the labels |
    """

    def __cat_dim__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        """Concatenate `edge_index` along its last dimension, other fields along the first."""
        return 1 if key == "edge_index" else 0

    def __inc__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        """Offset the indices of atoms and edges in a batch; other fields are not changed."""
        if key == "edge_index":
            return self.num_nodes
        if key in ("sender_order", "pair_edges"):
            return self.edge_index.size(1)
        if key == "edge_pair":
            return self.pair_edges.size(0)
        return 0


def build_graph(atoms: Atoms, elements: Sequence[str], cutoff: float) -> AtomicGraph:
    """Build the graph of an unlabeled structure: labels NaN, weights 1.

    Args:
        atoms: the structure, in A.
        elements: chemical symbols of the model, ordered by atomic number.
        cutoff: A.

    Raises:
        UnknownElementError: the structure has an element that is not in `elements`.
        DataError: a position is not finite, or a periodic direction has no cell vector.
    """
    return _assemble(
        atoms,
        elements,
        cutoff,
        energy=float("nan"),
        forces=np.full((len(atoms), 3), np.nan),
        stress=np.full((3, 3), np.nan),
        weights=(1.0, 1.0, 1.0),
        group=0,
        frame_index=0,
    )


def build_labeled_graph(
    labeled: LabeledFrame, elements: Sequence[str], cutoff: float, group: int = 0, frame_index: int = 0
) -> AtomicGraph:
    """Build the graph of a labeled frame.

    Args:
        labeled: the frame, with positions in A and labels in eV, eV/A and eV/A^3.
        elements: chemical symbols of the model, ordered by atomic number.
        cutoff: A.
        group, frame_index: stored in the fields of the same names.

    Raises:
        UnknownElementError, DataError: as in `build_graph`; the message names file and frame.
    """
    try:
        return _assemble(
            labeled.frame.atoms,
            elements,
            cutoff,
            energy=labeled.energy,
            forces=labeled.forces,
            stress=labeled.stress,
            weights=(
                labeled.weight * labeled.energy_weight,
                labeled.weight * labeled.forces_weight,
                labeled.weight * labeled.stress_weight,
            ),
            group=group,
            frame_index=frame_index,
        )
    except (UnknownElementError, DataError) as error:
        raise type(error)(f"{labeled.frame}: {error}") from error


def group_names(frames: Sequence[LabeledFrame]) -> list[str]:
    """Return the names of the groups that occur, in alphabetical order."""
    return sorted({labeled.group for labeled in frames})


def collate(graphs: Sequence[AtomicGraph]) -> GraphBatch:
    """Combine graphs into one batch.

    Indices of atoms and edges are offset; edges remain sorted by receiver.

    Args:
        graphs: at least one, with N_g atoms and E_g edges each.

    Returns:
        A graph of sum_g N_g atoms and sum_g E_g edges, with `batch` [N], the graph of each atom.
    """
    return Batch.from_data_list(list(graphs))


def _assemble(
    atoms: Atoms,
    elements: Sequence[str],
    cutoff: float,
    *,
    energy: float,
    forces: NDArray[np.float64],
    stress: NDArray[np.float64],
    weights: tuple[float, float, float],
    group: int,
    frame_index: int,
) -> AtomicGraph:
    geometry = build_geometry(atoms, elements, cutoff)
    energy_weight, forces_weight, stress_weight = weights
    return AtomicGraph(
        num_nodes=len(atoms),
        **geometry.tensors(),
        energy=torch.tensor([energy], dtype=torch.float64),
        forces=torch.tensor(forces, dtype=torch.float64),
        stress=torch.tensor(stress, dtype=torch.float64)[None],
        energy_weight=torch.tensor([energy_weight], dtype=torch.float64),
        forces_weight=torch.tensor([forces_weight], dtype=torch.float64),
        stress_weight=torch.tensor([stress_weight], dtype=torch.float64),
        group=torch.tensor([group]),
        frame_index=torch.tensor([frame_index]),
        head=torch.tensor([0]),
    )
