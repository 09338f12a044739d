"""Spherical harmonics of the edges and lengths of the pairs of edges, from the edge vectors."""

from potentials.kernels.edge_geometry.operator import edge_geometry
from potentials.kernels.edge_geometry.table import HarmonicsTable

__all__ = ["HarmonicsTable", "edge_geometry"]
