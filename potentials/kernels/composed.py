"""The operators as compositions of PyTorch's differentiable functions, for any device, type and transformation.

`torch.func` and forward mode cannot ask a kernel for its derivatives. Where they run, these functions do the work, and
PyTorch differentiates them, to any order. Operators whose reference is a composition already (gates, harmonics and
distances, radial networks, many-body products) use that; derivatives come from `torch.func.vjp`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from potentials.kernels.reference.edge_geometry import edge_geometry_gradient
from potentials.kernels.reference.many_body import many_body
from potentials.kernels.reference.radial_network import radial_network
from potentials.kernels.reference.splines import evaluate_splines
from potentials.kernels.tables import HarmonicsTable, ManyBodyTable, MessageTable, MixingTable, RadialSplines
from potentials.kernels.topology import EdgeTopology


def message_sum(table: MessageTable, h: Tensor, Y: Tensor, w: Tensor, topology: EdgeTopology) -> Tensor:
    """dQ/dg [N, D, C], path by path."""
    sums, components = [h.new_zeros(topology.num_nodes, 0, h.shape[2])], []
    of_edge = w.index_select(0, topology.edge_pair)
    for number, path in enumerate(table.paths):
        a, b, d = path.coefficients.shape
        matrix = _constant(path.coefficients.transpose(1, 2, 0).reshape(b, d * a), h)
        couplings = (Y[:, path.harmonic_start : path.harmonic_start + b] @ matrix).unflatten(1, (d, a))
        features = h[:, path.sender_start : path.sender_start + a].index_select(0, topology.senders)
        messages = (couplings @ features) * of_edge[:, number, None]
        sums.append(h.new_zeros(topology.num_nodes, d, h.shape[2]).index_add(0, topology.receivers, messages))
        components += [path.receiver_start + step * path.receiver_step for step in range(d)]
    order = torch.from_numpy(np.argsort(np.array(components, dtype=np.int64))).to(h.device)
    return torch.cat(sums, dim=1).index_select(1, order)


def message_gradients(
    table: MessageTable, h: Tensor, Y: Tensor, w: Tensor, g: Tensor, topology: EdgeTopology, wanted: str
) -> tuple[Tensor, Tensor, Tensor]:
    """dQ/dh, dQ/dY and dQ/dw; those that are not wanted are empty."""
    _, back = _vjp(lambda h, Y, w: message_sum(table, h, Y, w, topology), h, Y, w)
    found = back(g)
    return tuple(x if name in wanted else h.new_empty(0) for name, x in zip("hYw", found, strict=True))  # type: ignore[return-value]


def spline_message_sum(
    table: MessageTable, h: Tensor, Y: Tensor, distances: Tensor, splines: RadialSplines, topology: EdgeTopology
) -> Tensor:
    """dQ/dg [N, D, C] with weights that are splines."""
    weights, _ = evaluate_splines(splines, distances)
    return message_sum(table, h, Y, weights.unflatten(1, (-1, h.shape[2])), topology)


def spline_message_gradients(
    table: MessageTable,
    h: Tensor,
    Y: Tensor,
    distances: Tensor,
    splines: RadialSplines,
    g: Tensor,
    topology: EdgeTopology,
    wanted: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """dQ/dh, dQ/dY and dQ/dr [W, 1]; those that are not wanted are empty."""

    def value(h: Tensor, Y: Tensor, distances: Tensor) -> Tensor:
        return spline_message_sum(table, h, Y, distances, splines, topology)

    _, back = _vjp(value, h, Y, distances)
    found = back(g)
    return tuple(x if name in wanted else h.new_empty(0) for name, x in zip("hYr", found, strict=True))  # type: ignore[return-value]


def block_mix(
    table: MixingTable,
    x: Tensor,
    weight: Tensor,
    order: Tensor | None,
    counts: Sequence[int],
    factor: float,
) -> Tensor:
    """Each block times its matrix, [N, D', C']."""
    matrices = table.matrices(weight)
    rows = x if order is None else x.index_select(0, order)
    blocks = sorted(zip(table.blocks, matrices, strict=True), key=lambda entry: entry[0].target)
    parts, first = [x.new_zeros(0, table.outputs, table.channels_out)], 0
    for species, count in enumerate(counts):
        some = rows[first : first + count]
        pieces, end = [], 0
        for block, matrix in blocks:
            source = some[:, block.source : block.source + block.components * block.copies]
            pieces.append(x.new_zeros(count, block.target - end, table.channels_out))
            flat = source.reshape(count, block.components, block.copies * table.channels_in)
            pieces.append(flat @ (matrix[species] * (factor * matrix.shape[-2] ** -0.5)))
            end = block.target + block.components
        pieces.append(x.new_zeros(count, table.outputs - end, table.channels_out))
        parts.append(torch.cat(pieces, dim=1))
        first += count
    result = torch.cat(parts)
    return result if order is None else result.index_select(0, torch.argsort(order))


def block_mix_transposed(
    table: MixingTable, g: Tensor, weight: Tensor, order: Tensor | None, counts: Sequence[int], factor: float
) -> Tensor:
    """Each block times its transposed matrix, [N, D, C]."""
    nothing = g.new_zeros(g.shape[0], table.inputs, table.channels_in)
    _, back = _vjp(lambda x: block_mix(table, x, weight, order, counts, factor), nothing)
    return cast(Tensor, back(g)[0])


def block_mix_outer(
    table: MixingTable, x: Tensor, g: Tensor, order: Tensor | None, counts: Sequence[int], factor: float
) -> Tensor:
    """Sum over atoms and components of input times output, [S, K]."""
    nothing = x.new_zeros(len(counts), table.num_weights)
    _, back = _vjp(lambda weight: block_mix(table, x, weight, order, counts, factor), nothing)
    return cast(Tensor, back(g)[0])


def many_body_gradients(
    table: ManyBodyTable, A: Tensor, coefficients: Tensor, species: Tensor, g: Tensor, wanted: str
) -> tuple[Tensor, Tensor]:
    """d(g . B)/dA and d(g . B)/d(coefficients); what is not wanted is empty."""
    _, back = _vjp(lambda a, k: many_body(table, a, k, species), A, coefficients)
    slopes, weights = back(g)
    nothing = A.new_empty(0)
    return slopes if "A" in wanted else nothing, weights if "k" in wanted else nothing.clone()


def many_body_tangents(
    table: ManyBodyTable, A: Tensor, coefficients: Tensor, species: Tensor, g: Tensor, v: Tensor, wanted: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Derivatives along v of d(g . B)/dA, d(g . B)/d(coefficients) and B: gradients of v . d(g . B)/dA."""

    def along(a: Tensor, k: Tensor, upstream: Tensor) -> Tensor:
        _, back = _vjp(lambda given: many_body(table, given, k, species), a)
        return (back(upstream)[0] * v).sum()

    value, back = _vjp(along, A, coefficients, g)
    second, weights, first = back(torch.ones_like(value))
    return second, weights if "k" in wanted else A.new_empty(0), first


def edge_geometry_second(
    table: HarmonicsTable,
    vectors: Tensor,
    v: Tensor,
    by_Y: Tensor,
    by_distances: Tensor,
    pairs: Sequence[Tensor],
    sign: float,
) -> Tensor:
    """Gradient to the vectors of (by_Y . Y + by_distances . d)' along v, [E, 3]."""

    def along(x: Tensor) -> Tensor:
        edge_pair, pair_edges = pairs
        gradient = edge_geometry_gradient(table, x, by_Y, by_distances, edge_pair, pair_edges, sign)
        return (gradient * v).sum()

    value, back = _vjp(along, vectors)
    return cast(Tensor, back(torch.ones_like(value))[0])


def radial_network_gradients(
    values: Tensor,
    slopes: Tensor,
    weight: Tensor,
    by_values: Tensor,
    by_slopes: Tensor,
    sizes: Sequence[int],
    scales: Sequence[float],
    inputs_wanted: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of the weight, and of values and slopes where those are wanted."""

    def network(values: Tensor, slopes: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        return radial_network(values, slopes, weight, sizes, scales, False)[:2]

    _, back = _vjp(network, values, slopes, weight)
    onto_values, onto_slopes, onto_weight = back((by_values, by_slopes))
    if not inputs_wanted:
        onto_values, onto_slopes = values.new_empty(0), values.new_empty(0)
    return onto_weight, onto_values, onto_slopes


def _vjp(function: Callable[..., Any], *arguments: Tensor) -> tuple[Any, Callable[..., Any]]:
    """`torch.func.vjp`, of a function without further results."""
    return torch.func.vjp(function, *arguments)  # type: ignore[return-value]


def _constant(numbers: np.ndarray, like: Tensor) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(numbers)).to(like.device, like.dtype)
