"""Geometry of one structure: reduced cells, neighbor lists, edges, and checks of plausibility.

It does not depend on files, labels or batches, so that molecular dynamics needs no other package of `data`.
"""

from potentials.data.geometry.descriptor import structure_descriptor
from potentials.data.geometry.graph_geometry import GraphGeometry, build_geometry
from potentials.data.geometry.lattice import reduced_cell
from potentials.data.geometry.neighbor_list import edge_pairs, neighbor_list, neighbor_vectors
from potentials.data.geometry.plausibility import check_density, check_geometry, heights
from potentials.data.geometry.structure_hash import structure_hash

__all__ = [
    "GraphGeometry",
    "build_geometry",
    "check_density",
    "check_geometry",
    "edge_pairs",
    "heights",
    "neighbor_list",
    "neighbor_vectors",
    "reduced_cell",
    "structure_descriptor",
    "structure_hash",
]
