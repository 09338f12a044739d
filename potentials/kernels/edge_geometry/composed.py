"""Second derivatives of harmonics and distances, by differentiating the reference of the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from potentials.kernels.autograd import vjp
from potentials.kernels.edge_geometry import reference
from potentials.kernels.edge_geometry.table import HarmonicsTable


def edge_geometry_second(
    table: HarmonicsTable,
    vectors: Tensor,
    v: Tensor,
    by_Y: Tensor,
    by_distances: Tensor,
    pairs: Sequence[Tensor],
    sign: float,
) -> Tensor:
    """Compute the gradient of (by_Y . Y + by_distances . d)' along v with respect to the vectors [E, 3]."""

    def along(x: Tensor) -> Tensor:
        edge_pair, pair_edges = pairs
        gradient = reference.edge_geometry_gradient(table, x, by_Y, by_distances, edge_pair, pair_edges, sign)
        return (gradient * v).sum()

    value, back = vjp(along, vectors)
    return cast(Tensor, back(torch.ones_like(value))[0])
