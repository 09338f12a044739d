"""Radial networks: multilayer perceptrons of radial functions of pairs of edges, with their derivatives."""

from potentials.kernels.radial_network.operator import radial_network, row_dot
from potentials.kernels.radial_network.weights import perceptron_matrices

__all__ = ["perceptron_matrices", "radial_network", "row_dot"]
