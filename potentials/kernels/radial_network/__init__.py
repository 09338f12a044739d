"""Radial networks: perceptrons of functions of the distance of a pair of edges, with their slopes."""

from potentials.kernels.radial_network.operator import radial_network, row_dot
from potentials.kernels.radial_network.weights import perceptron_matrices

__all__ = ["perceptron_matrices", "radial_network", "row_dot"]
