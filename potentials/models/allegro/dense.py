"""The network of nequip-allegro 0.8: scalars of all layers are kept side by side. Equation numbers refer to this file.

Symbols as in `pairs.py`; R, radial basis with the envelope; c and n, embeddings of the species of the atom that
receives the energy and of its neighbor; v, weights of the paths p of a product.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from potentials.equivariant import Irrep, Layout, ScaledActivation, WeightedChannelProduct, product_coupling
from potentials.kernels import EdgeTopology
from potentials.models.allegro.config import AllegroConfig
from potentials.models.allegro.pairs import SCALAR, NeighborSum, PairFeatures, PairNetwork
from potentials.models.blocks import ScalarNetwork


def tensor_layouts(config: AllegroConfig) -> list[Layout]:
    """Return the irreps of the tensors before and after each layer: those that exist and can affect the energy."""
    natural = Layout.natural(config.degree)
    allowed = Layout.full(config.degree) if config.parity else natural
    layouts = [natural]
    for _ in range(config.layers):
        layouts.append(Layout(irrep for irrep in allowed if _reaches(layouts[-1], natural, [irrep])))
    layouts[-1] = Layout([SCALAR])
    for layer in reversed(range(config.layers)):
        useful = [irrep for irrep in layouts[layer] if _reaches([irrep], natural, layouts[layer + 1])]
        layouts[layer] = Layout(useful)
    return layouts


def _reaches(sources: Sequence[Irrep], factors: Layout, targets: Sequence[Irrep]) -> bool:
    """Return whether a product of a source and a factor contains a target."""
    return any(target in tuple(a.products(b)) for a in sources for b in factors for target in targets)


class DenseLayer(nn.Module):
    """One layer: a product of the tensors with the environment, and new scalars from all scalars so far.

    Gamma_i = 1 / sqrt(N) sum_k w_ik Y(r_ik)            (5)
    V_ij,c <- sum_p v_pc (V_ij (x) Gamma_i)_pc          (6)
    x^k_ij, w_ij = MLP(x^0 || ... || x^(k-1) || V_00)   (7)

    (x) is the channel-wise product with all paths p; V_00 are its scalars. The last layer gives no weights w.
    """

    def __init__(self, config: AllegroConfig, number: int, inputs: Layout, outputs: Layout) -> None:
        super().__init__()
        self.scalar_channels = config.scalar_channels
        self.environment = NeighborSum(config)
        coupling = product_coupling(inputs, Layout.natural(config.degree), outputs)
        self.outputs, self.paths = outputs, coupling.paths
        self.scalar = outputs.slice_of(SCALAR).start
        self.product = WeightedChannelProduct(coupling, config.channels)
        weights = 0 if number == config.layers - 1 else self.environment.degrees * config.channels
        inputs_of_network = (number + 1) * config.scalar_channels + config.channels
        sizes = [inputs_of_network, *config.latent_mlp, config.scalar_channels + weights]
        self.latent = ScalarNetwork(sizes, ScaledActivation())

    def forward(
        self, x: Tensor, w: Tensor, V: Tensor, Y: Tensor, directed: EdgeTopology
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Map scalars [E, k F], weights [E, (degree + 1) C] and tensors [E, input components, C] to the next ones."""
        Gamma = self.environment(w, Y, directed)  # (5)
        V = self.product(V, Gamma[directed.receivers])  # (6)
        new = self.latent(torch.cat([x, V[:, self.scalar]], dim=1))  # (7)
        F = self.scalar_channels
        return torch.cat([x, new[:, :F]], dim=1), new[:, F:], V


class DenseAllegro(PairNetwork):
    """The network of nequip-allegro 0.8: node energies from distances, directions and species.

    e_ij = MLP((c_{z_i} || n_{z_j}) * (W R(r_ij)))      (1)  embedding of a pair; || is concatenation
    V_ij = (W' e_ij) Y(r_ij)                            (2)  tensors: a weight for each degree and channel
    x^0_ij, w_ij = W'' e_ij                             (3)  scalars, and weights of the first environment
    x_ij, w_ij, V_ij <- layer(x, w, V)_ij, layer after layer  `DenseLayer`
    e_i = 1 / sqrt(N) sum_j MLP(x^0 || x^1 || ...)      (4)  sum over the pairs of an atom
    """

    def __init__(self, config: AllegroConfig) -> None:
        super().__init__(config, enveloped=True, readout_inputs=(config.layers + 1) * config.scalar_channels)
        width, F = config.embedding_channels or config.scalar_channels, config.scalar_channels
        self.scalar_channels = F
        self.receiver_embedding = nn.Parameter(torch.randn(self.num_species, width // 2))
        self.sender_embedding = nn.Parameter(torch.randn(self.num_species, width // 2))
        self.radial_map = ScalarNetwork([self.radial_size, width], self.activation)
        hidden = config.latent_mlp if config.embedding_mlp is None else config.embedding_mlp
        self.two_body = ScalarNetwork([width, *hidden, F], self.activation)
        weights = len(self.repeats) * config.channels
        self.tensors = ScalarNetwork([F, weights], self.activation)
        self.first = ScalarNetwork([F, F + weights], self.activation)
        layouts = itertools.pairwise(tensor_layouts(config))
        self.layers = nn.ModuleList(DenseLayer(config, number, *ends) for number, ends in enumerate(layouts))
        self.readout = ScalarNetwork(self.readout_sizes, self.activation)

    def features(self, edge_vectors: Tensor, species: Tensor, topology: EdgeTopology) -> list[PairFeatures]:
        """Compute the scalars x of all pairs; arguments as in `ReadoutNetwork`."""
        Y, basis = self.edges(edge_vectors, species, topology)
        # Features differ between a pair and its reverse.
        directed = topology.directed()
        ends = self.receiver_embedding[species[topology.receivers]], self.sender_embedding[species[topology.senders]]
        R = basis.connected()[topology.edge_pair]
        e = self.two_body(torch.cat(ends, dim=1) * self.radial_map(R))  # (1)
        V = Y.unsqueeze(2) * self.repeated(self.tensors(e))  # (2)
        x, w = self.first(e).tensor_split([self.scalar_channels], dim=1)  # (3)
        for layer in self.layers:
            x, w, V = layer(x, w, V, Y, directed)
        return [PairFeatures(x, topology.receivers, len(species))]

    def species_parameters(self) -> list[str]:
        """Return the names of the embeddings of the species."""
        return ["receiver_embedding", "sender_embedding"]
