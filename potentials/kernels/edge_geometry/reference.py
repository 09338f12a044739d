"""Harmonics and distances in plain PyTorch. These functions are differentiable: second derivatives use them."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from potentials.kernels.edge_geometry.table import HarmonicsTable
from potentials.kernels.tables import lookup
from potentials.kernels.transforms import kept_constants


@kept_constants(64)
def _raising(key: str, device: torch.device, dtype: torch.dtype) -> list[Tensor]:
    """Return R_l [(2l - 1) * 3, 2l + 1] for l = 2, 3, ..."""
    table = cast(HarmonicsTable, lookup(key))
    return [torch.from_numpy(matrix).flatten(0, 1).to(device, dtype) for matrix in table.raising]


def _blocks(table: HarmonicsTable, vectors: Tensor, sign: float) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Compute distances [E, 1], unit vectors from sender to receiver, and Y_l of each degree."""
    distances = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    units = vectors / distances
    blocks = [torch.ones_like(distances), 3**0.5 * sign * units][: table.degree + 1]
    for raising in _raising(table.key, vectors.device, vectors.dtype):
        blocks.append(_outer(blocks[-1], blocks[1]) @ raising)
    return distances, units, blocks


def _outer(left: Tensor, right: Tensor) -> Tensor:
    return (left.unsqueeze(2) * right.unsqueeze(1)).flatten(1)


def edge_geometry(
    table: HarmonicsTable, vectors: Tensor, edge_pair: Tensor, pair_edges: Tensor, sign: float
) -> tuple[Tensor, Tensor]:
    """Compute Y [E, B] and distances [W, 1]."""
    distances, _, blocks = _blocks(table, vectors, sign)
    return torch.cat(blocks, dim=1), distances.index_select(0, pair_edges[:, 0])


def edge_geometry_gradient(
    table: HarmonicsTable,
    vectors: Tensor,
    by_Y: Tensor,
    by_distances: Tensor,
    edge_pair: Tensor,
    pair_edges: Tensor,
    sign: float,
) -> Tensor:
    """Compute the gradient of by_Y . Y + by_distances . d with respect to the vectors [E, 3]."""
    distances, units, blocks = _blocks(table, vectors, sign)
    along = by_distances.new_zeros(vectors.shape[0], 1).index_copy(0, pair_edges[:, 0], by_distances)
    result = along * units
    if table.degree == 0:
        return result
    gradients = list(by_Y.split([2 * degree + 1 for degree in range(table.degree + 1)], dim=1))
    matrices = _raising(table.key, vectors.device, vectors.dtype)
    for degree in range(table.degree, 1, -1):
        pairs = (gradients[degree] @ matrices[degree - 2].T).unflatten(1, (-1, 3))
        gradients[1] = gradients[1] + (pairs * blocks[degree - 1].unsqueeze(2)).sum(dim=1)
        gradients[degree - 1] = gradients[degree - 1] + (pairs * blocks[1].unsqueeze(1)).sum(dim=2)
    by_units = 3**0.5 * sign * gradients[1]
    return result + (by_units - units * (units * by_units).sum(dim=1, keepdim=True)) / distances


def edge_geometry_tangent(
    table: HarmonicsTable, vectors: Tensor, v: Tensor, edge_pair: Tensor, pair_edges: Tensor, sign: float
) -> tuple[Tensor, Tensor]:
    """Compute the derivatives of Y and d along v."""
    distances, units, blocks = _blocks(table, vectors, sign)
    along = (units * v).sum(dim=1, keepdim=True)
    tangents = [torch.zeros_like(distances), 3**0.5 * sign * (v - units * along) / distances][: table.degree + 1]
    for degree, raising in enumerate(_raising(table.key, vectors.device, vectors.dtype), start=2):
        product = _outer(tangents[-1], blocks[1]) + _outer(blocks[degree - 1], tangents[1])
        tangents.append(product @ raising)
    return torch.cat(tangents, dim=1), along.index_select(0, pair_edges[:, 0])
