"""Linear ACE: neighbor densities and their invariant products. Equation numbers refer to this file.

Symbols: R_n, radial functions; Y, spherical harmonics; A, neighbor densities of an atom; B, their invariant products;
c, coefficients; z, species; N, average number of neighbors.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from potentials.equivariant import Layout, message_table, spherical_harmonics
from potentials.equivariant.invariants import InvariantProducts
from potentials.kernels import EdgeTopology, message_sum
from potentials.models.ace.config import ACEConfig
from potentials.models.ace.products import ace_products
from potentials.models.blocks import EdgeEmbedding
from potentials.models.linear import LinearModel
from potentials.models.radial import RadialBasis


class ACE(LinearModel):
    """The linear ACE model: node energies from distances, directions and species.

    A_i,znlm = 1 / sqrt(N) sum_j [z_j = z] R_n(r_ij) Y_lm(r_ij)    (1)  densities
    B_i,k = invariant products of the components of A_i            (2)  `InvariantProducts` of `ace_products`
    e_i = sum_k c_{z_i,k} B_i,k                                    (3)  `LinearModel`

    The sender features in (1) are one-hot in the species; one operator computes the sum over the neighbors.
    """

    def __init__(self, config: ACEConfig) -> None:
        super().__init__()
        self.num_species, self.num_radial = len(config.elements), config.radial.size
        self.density_scale = float(config.average_neighbors) ** -0.5
        self.degree = config.angular_degree
        self.edges = EdgeEmbedding(RadialBasis(config.radial, config.cutoff, config.elements), self.degree)
        self.table = message_table(Layout.natural(0), self.degree, Layout.natural(self.degree)).table
        self.products = InvariantProducts(ace_products(config))
        self.coefficients = nn.Parameter(torch.randn(self.num_species, self.products.size) / self.products.size)

    def basis(self, edge_vectors: Tensor, species: Tensor, topology: EdgeTopology) -> Tensor:
        """Compute B of all atoms, [N, K]."""
        return self.products(self._densities(edge_vectors, species, topology))  # (1), (2)

    def _densities(self, edge_vectors: Tensor, species: Tensor, topology: EdgeTopology) -> Tensor:
        """Compute A, [N, (L + 1)^2, number of species times number of radial functions]."""
        Y, R = self.edges(edge_vectors, species, topology)
        return message_sum(self.table, self.sent(species), Y, self.weights(R.connected()), topology)  # (1)

    def weights(self, functions: Tensor) -> Tensor:
        """Expand the radial functions, which all degrees share, to one weight per degree, [W, L + 1, channels]."""
        weights = self.density_scale * functions.repeat(1, self.num_species).unsqueeze(1)
        return weights.expand(-1, self.degree + 1, -1).contiguous()

    def sent(self, species: Tensor) -> Tensor:
        """Return the sender features, one-hot in the species, [N, 1, channels]."""
        return self._one_hot(species).repeat_interleave(self.num_radial, dim=1).unsqueeze(1)

    def _one_hot(self, species: Tensor) -> Tensor:
        return nn.functional.one_hot(species, self.num_species).to(self.coefficients.dtype)

    def basis_derivatives(self, edge_vectors: Tensor, species: Tensor, topology: EdgeTopology, edges: slice) -> Tensor:
        """Compute dB_ik/dr_e of these edges, [edges, 3, K] 1/A, from the derivatives of the densities."""
        with torch.no_grad():
            densities = self._densities(edge_vectors, species, topology)
            directions = self._density_derivatives(edge_vectors[edges], species, topology, edges)
            along = lambda direction: torch.func.jvp(  # noqa: E731
                self.products, (densities[topology.receivers[edges]],), (direction,)
            )[1]
            return torch.func.vmap(along, out_dims=1)(directions)

    def _density_derivatives(self, vectors: Tensor, species: Tensor, topology: EdgeTopology, edges: slice) -> Tensor:
        """Compute the derivatives of the receivers' densities to edge vectors, [3, edges, (L + 1)^2, channels]."""
        senders, receivers = species[topology.senders[edges]], species[topology.receivers[edges]]
        distances = vectors.norm(dim=1, keepdim=True)
        functions = self.edges.radial(distances, senders, receivers)
        units = torch.eye(3, dtype=vectors.dtype, device=vectors.device)
        harmonics = lambda r: spherical_harmonics(nn.functional.normalize(r, dim=1), self.degree)  # noqa: E731
        along = lambda unit: torch.func.jvp(harmonics, (vectors,), (unit.expand_as(vectors),))[1]  # noqa: E731
        dY = torch.func.vmap(along)(units)
        dR = (vectors / distances).T.unsqueeze(2) * functions.slopes
        change = dY.unsqueeze(3) * functions.values.unsqueeze(1) + (
            harmonics(vectors).unsqueeze(2) * dR.unsqueeze(2)
        )  # d(R Y) = dY R + Y dR
        return self.density_scale * (change.unsqueeze(3) * self._one_hot(senders)[:, None, :, None]).flatten(3)
