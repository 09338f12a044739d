"""Graphs: structures with labels as tensors, batches of graphs, and batches of rotated structures.

Models are trained on `AtomicGraph`; code that uses it is independent of files and of ASE.
"""

from potentials.data.graph.atomic_graph import (
    AtomicGraph,
    GraphBatch,
    build_graph,
    build_labeled_graph,
    collate,
    group_names,
)
from potentials.data.graph.graphs import Graphs, GraphsInMemory, HeadMarks, graphs_from_frames, joined_graphs
from potentials.data.graph.rotations import frame_rotations, random_rotations, rotated

__all__ = [
    "AtomicGraph",
    "GraphBatch",
    "Graphs",
    "GraphsInMemory",
    "HeadMarks",
    "build_graph",
    "build_labeled_graph",
    "collate",
    "frame_rotations",
    "graphs_from_frames",
    "group_names",
    "joined_graphs",
    "random_rotations",
    "rotated",
]
