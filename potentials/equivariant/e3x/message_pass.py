"""Message passing with filters that are linear in a radial basis (E3x, arXiv:2401.07595)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from potentials.equivariant.couplings import MessageCoupling, message_table
from potentials.equivariant.e3x.tensor_products import WeightedTerms, product_layout
from potentials.equivariant.layout import Layout
from potentials.equivariant.layout_changes import check_components
from potentials.kernels import EdgeTopology, message_sum


class Filters(nn.Module):
    """F_{l(p),c}(r) = sum_k R_k(r) W^{l}_kc / sqrt(K (2 l + 1)) for each path p with harmonics of degree l.

    A dense layer of the basis R_k Y_l. The factor that depends on l converts our harmonics, in component normalization,
    to E3x's, whose squares sum to one. Weights are initialized standard normal.

    Args:
        coupling: the paths.
        size: number of radial functions K.
        channels: channels of the features.
    """

    degree_of_path: Tensor
    scale_of_path: Tensor

    def __init__(self, coupling: MessageCoupling, size: int, channels: int) -> None:
        super().__init__()
        degrees = sorted({degree for _, degree, _ in coupling.paths})
        self.degrees = tuple(degrees)
        """Degrees of the harmonics, one for each row of the weights."""
        rows = [degrees.index(degree) for _, degree, _ in coupling.paths]
        scales = [(size * (2 * degree + 1)) ** -0.5 for _, degree, _ in coupling.paths]
        self.register_buffer("degree_of_path", torch.tensor(rows, dtype=torch.int64), persistent=False)
        dtype = torch.get_default_dtype()
        self.register_buffer("scale_of_path", torch.tensor(scales, dtype=dtype).unsqueeze(1), persistent=False)
        self.weight = nn.Parameter(torch.randn(size, len(degrees), channels))

    def matrix(self) -> Tensor:
        """Return the matrix [K, P C] that maps the radial basis to the filters."""
        return (self.weight.index_select(1, self.degree_of_path) * self.scale_of_path).flatten(1)

    def forward(self, radial: Tensor) -> Tensor:
        """Map the radial basis [W, K] to filters [W, P, C]."""
        return (radial @ self.matrix()).unflatten(1, (-1, self.weight.shape[2]))


class PathSum(WeightedTerms):
    """z_{cmf} = sum of w_pf x_{pmf} over the P_c paths p to block c, divided by sqrt(P_c).

    Args:
        coupling: the paths of the summed messages.
        channels: channels of the features.
    """

    def __init__(self, coupling: MessageCoupling, channels: int) -> None:
        rows = np.arange(coupling.table.receiver_components)
        super().__init__(coupling.blocks, len(rows), rows[:, None], rows, np.ones(len(rows)), channels)


class MessagePass(nn.Module):
    """z_i = sum_j (filter(r_ij) Y(r_ij)) (x) x_j, as E3x's `MessagePass`.

    The tensor product of the features of each neighbor with a filter, with a weight for each path and channel, summed
    over the neighbors. As published, filters are linear in the radial basis and sums are not divided by the number of
    neighbors. The basis must vanish at the cutoff.

    Args:
        layout: blocks of the features.
        edge_degree: highest degree of the harmonics.
        size: number of radial functions K.
        channels: channels of the features.
        degree: highest degree of z; by default the higher of those of the features and the harmonics.
        pseudotensors: whether z contains pseudotensors.

    Attributes:
        layout: blocks of z: the requested blocks that messages can reach by symmetry.

    Raises:
        LayoutError: no message has this degree.
    """

    def __init__(
        self,
        layout: Layout,
        edge_degree: int,
        size: int,
        channels: int,
        degree: int | None = None,
        pseudotensors: bool = True,
    ) -> None:
        super().__init__()
        self.inputs = layout
        wanted = product_layout(layout, Layout.natural(edge_degree), degree, pseudotensors)
        self.coupling = message_table(layout, edge_degree, wanted)
        self.layout = self.coupling.layout
        self.filters = Filters(self.coupling, size, channels)
        self.paths = PathSum(self.coupling, channels)

    def forward(
        self, x: Tensor, Y: Tensor, radial: Tensor, topology: EdgeTopology, weights: Tensor | None = None
    ) -> Tensor:
        """Sum the messages.

        Args:
            x: features [N, components, C].
            Y: `spherical_harmonics` of the edges [E, (edge degree + 1)^2].
            radial: radial basis of each pair of edges [W, K].
            topology: the edges.
            weights: factors of the messages for each edge and channel [E, C]; 1 if not given.

        Returns:
            Features [N, components of `layout`, C].

        Raises:
            LayoutError: the features do not have the components of the layout.
        """
        check_components(x, self.inputs)
        filters = self.filters(radial)
        if weights is not None:
            filters = filters.index_select(0, topology.edge_pair) * weights.unsqueeze(1)
            topology = topology.directed()
        return self.paths(message_sum(self.coupling.table, x, Y, filters, topology))
