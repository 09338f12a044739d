"""Models whose energies are linear in their parameters, which are fitted by linear least squares."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from potentials.kernels import EdgeTopology


class LinearModel(nn.Module, ABC):
    """Node energies e_i = sum_k c_{z_i k} B_ik: a basis times one row of coefficients for each species.

    Attributes:
        coefficients: c, [S, K].
    """

    coefficients: nn.Parameter

    @abstractmethod
    def basis(self, edge_vectors: Tensor, species: Tensor, topology: EdgeTopology) -> Tensor:
        """Compute B of all atoms [N, K] from edge vectors [E, 3] in A (sender to receiver) and species [N]."""

    @abstractmethod
    def basis_derivatives(self, edge_vectors: Tensor, species: Tensor, topology: EdgeTopology, edges: slice) -> Tensor:
        """Compute dB_ik/dr_e of these edges, i the receiver of edge e, [edges, 3, K] 1/A. No other B depends on r_e."""

    def forward(self, edge_vectors: Tensor, species: Tensor, topology: EdgeTopology) -> Tensor:
        """Compute node energies [N], before scale and shift.

        Args:
            edge_vectors: vectors from sender to receiver [E, 3], A.
            species: species index of each atom [N] int64.
            topology: the edges.
        """
        return (self.basis(edge_vectors, species, topology) * self.coefficients[species]).sum(dim=1)

    def decay_parameters(self) -> list[nn.Parameter]:
        """Return the coefficients."""
        return [self.coefficients]
