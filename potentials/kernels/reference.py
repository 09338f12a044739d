"""The kernels in plain PyTorch: any device, any floating dtype. Everything else is measured against these.

None of these functions needs to be differentiable: the operators register their own derivatives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from potentials.kernels.tables import ManyBodyTable, MessageTable, MixingTable, lookup
from potentials.kernels.topology import EdgeTopology

_CHUNK_ELEMENTS = 2**17


@dataclass(frozen=True)
class _SenderBlock:
    """The paths that read one range of sender components, as one dense matrix per edge.

    Y @ matrix holds, for each edge, the couplings [d, a] of all receiver components these paths make; a row d belongs
    to one path.
    """

    sender: slice
    receivers: Tensor
    """[d] receiver components, path by path."""
    paths: tuple[tuple[int, slice], ...]
    """Each path and its rows among the d."""
    matrix: Tensor
    """[B, d * a]."""

    def couplings(self, Y: Tensor) -> Tensor:
        """[E, d, a]."""
        return (Y @ self.matrix).unflatten(1, (len(self.receivers), -1))

    def weigh_(self, rows: Tensor, w: Tensor) -> Tensor:
        """Multiply rows [E, d, C] in place by the weight of each row's path."""
        for path, part in self.paths:
            rows[:, part] *= w[:, path, None]
        return rows


@lru_cache(maxsize=256)
def _sender_blocks(key: str, device: torch.device, dtype: torch.dtype) -> tuple[_SenderBlock, ...]:
    table = lookup(key)
    if not isinstance(table, MessageTable):
        raise TypeError(f"{key} is not a message table")
    ranges = [(path.sender_start, path.coefficients.shape[0]) for path in table.paths]
    blocks: list[_SenderBlock] = []
    for start, size in dict.fromkeys(ranges):
        numbers = [number for number, read in enumerate(ranges) if read == (start, size)]
        receivers: list[int] = []
        rows: list[Tensor] = []
        parts: list[tuple[int, slice]] = []
        for number in numbers:
            path = table.paths[number]
            _, b, d = path.coefficients.shape
            parts.append((number, slice(len(receivers), len(receivers) + d)))
            receivers += [path.receiver_start + step * path.receiver_step for step in range(d)]
            row = torch.zeros(table.harmonic_components, d, size, dtype=torch.float64)
            row[path.harmonic_start : path.harmonic_start + b] = torch.from_numpy(path.coefficients).permute(1, 2, 0)
            rows.append(row)
        blocks.append(
            _SenderBlock(
                slice(start, start + size),
                torch.tensor(receivers, device=device),
                tuple(parts),
                torch.cat(rows, dim=1).flatten(1).to(device, dtype),
            )
        )
    return tuple(blocks)


def message_sum(table: MessageTable, h: Tensor, Y: Tensor, w: Tensor, topology: EdgeTopology) -> Tensor:
    """dQ/dg [N, D, C]."""
    result = h.new_zeros(topology.num_nodes, table.receiver_components, h.shape[2])
    for block in _sender_blocks(table.key, h.device, h.dtype):
        messages = block.couplings(Y) @ h[:, block.sender].index_select(0, topology.senders)
        block.weigh_(messages, w.index_select(0, topology.edge_pair))
        summed = messages.new_zeros(topology.num_nodes, *messages.shape[1:])
        result[:, block.receivers] = summed.index_add_(0, topology.receivers, messages)
    return result


def message_grad_h(table: MessageTable, Y: Tensor, w: Tensor, g: Tensor, topology: EdgeTopology) -> Tensor:
    """dQ/dh [N, A, C]."""
    result = g.new_zeros(topology.num_nodes, table.sender_components, g.shape[2])
    for block in _sender_blocks(table.key, g.device, g.dtype):
        gradients = block.couplings(Y).transpose(1, 2) @ _weighted_receivers(block, w, g, topology)
        result[:, block.sender].index_add_(0, topology.senders, gradients)
    return result


def message_grad_Y(table: MessageTable, h: Tensor, w: Tensor, g: Tensor, topology: EdgeTopology) -> Tensor:
    """dQ/dY [E, B]."""
    result = h.new_zeros(topology.num_edges, table.harmonic_components)
    for block in _sender_blocks(table.key, h.device, h.dtype):
        sender_features = h[:, block.sender].index_select(0, topology.senders)
        couplings = _weighted_receivers(block, w, g, topology) @ sender_features.transpose(1, 2)
        result.addmm_(couplings.flatten(1), block.matrix.T)
    return result


def message_grad_w(table: MessageTable, h: Tensor, Y: Tensor, g: Tensor, topology: EdgeTopology) -> Tensor:
    """dQ/dw [W, P, C]."""
    of_edge = h.new_empty(topology.num_edges, len(table.paths), h.shape[2])
    for block in _sender_blocks(table.key, h.device, h.dtype):
        messages = block.couplings(Y) @ h[:, block.sender].index_select(0, topology.senders)
        messages *= g.index_select(1, block.receivers).index_select(0, topology.receivers)
        for path, part in block.paths:
            torch.sum(messages[:, part], dim=1, out=of_edge[:, path])
    result = h.new_zeros(topology.num_pairs, len(table.paths), h.shape[2])
    return result.index_add_(0, topology.edge_pair, of_edge)


def message_gradients(
    table: MessageTable, h: Tensor, Y: Tensor, w: Tensor, g: Tensor, topology: EdgeTopology, wanted: str
) -> tuple[Tensor, Tensor, Tensor]:
    """dQ/dh, dQ/dY and dQ/dw; those that are not wanted are empty."""
    nothing = h.new_empty(0)
    return (
        message_grad_h(table, Y, w, g, topology) if "h" in wanted else nothing,
        message_grad_Y(table, h, w, g, topology) if "Y" in wanted else nothing,
        message_grad_w(table, h, Y, g, topology) if "w" in wanted else nothing,
    )


def message_tangents(
    table: MessageTable,
    h: Tensor,
    Y: Tensor,
    w: Tensor,
    g: Tensor,
    dh: Tensor | None,
    dY: Tensor | None,
    dw: Tensor | None,
    topology: EdgeTopology,
    wanted: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Derivatives of dQ/dh, dQ/dY, dQ/dw and dQ/dg along (dh, dY, dw), those that are wanted: Q is linear in each
    argument, so each direction in turn takes its argument's place."""
    results = [
        torch.zeros_like(x) if name in wanted else x.new_empty(0) for name, x in zip("hYwg", (h, Y, w, g), strict=True)
    ]
    for position, direction in enumerate((dh, dY, dw)):
        if direction is None:
            continue
        replaced = [direction if position == other else value for other, value in enumerate((h, Y, w))]
        others = wanted.replace("hYw"[position], "")
        parts = message_gradients(table, replaced[0], replaced[1], replaced[2], g, topology, others)
        for number, name in enumerate("hYw"):
            if name in others:
                results[number] += parts[number]
        if "g" in wanted:
            results[3] += message_sum(table, replaced[0], replaced[1], replaced[2], topology)
    return results[0], results[1], results[2], results[3]


def _weighted_receivers(block: _SenderBlock, w: Tensor, g: Tensor, topology: EdgeTopology) -> Tensor:
    """g of each edge's receiver times the weight of the path that makes each component, [E, d, C]."""
    received = g.index_select(1, block.receivers).index_select(0, topology.receivers)
    return block.weigh_(received, w.index_select(0, topology.edge_pair))


@lru_cache(maxsize=256)
def _many_body_indices(key: str, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """The table on a device: factors [correlation, T], a 0/1 matrix [M, T] that sums the terms of each output, and for
    each factor a 0/1 matrix [D, T] that sums the terms onto the components they contain (the constant left out)."""
    table = lookup(key)
    if not isinstance(table, ManyBodyTable):
        raise TypeError(f"{key} is not a many-body table")
    factors = torch.from_numpy(table.factors).T.contiguous()
    outputs = torch.nn.functional.one_hot(torch.from_numpy(table.output_of_term), table.outputs).T
    onto = tuple(
        torch.nn.functional.one_hot(factor, table.components + 1)[:, : table.components].T.to(device, dtype)
        for factor in factors
    )
    return factors.to(device), outputs.to(device, dtype), onto


class _ManyBody:
    """What the six many-body contractions share: factors of every term, coefficients of every atom's species."""

    def __init__(self, table: ManyBodyTable, A: Tensor) -> None:
        self.factors, self.outputs, self.onto = _many_body_indices(table.key, A.device, A.dtype)
        self.values = self.gather(A, 1.0)

    def gather(self, A: Tensor, constant: float) -> list[Tensor]:
        """Each factor's value in every term, [N, T, C]; `constant` where a term has fewer factors."""
        extended = torch.cat([A, A.new_full((A.shape[0], 1, A.shape[2]), constant)], dim=1)
        return [extended.index_select(1, factor) for factor in self.factors]

    def product_without(self, *left_out: int) -> Tensor | None:
        """Product of all factors but these; None for the empty product."""
        product: Tensor | None = None
        for position, value in enumerate(self.values):
            if position not in left_out:
                product = value if product is None else product * value
        return product

    def monomials(self) -> Tensor:
        """Product of all factors, [N, T, C]."""
        return _product(self.product_without())

    def directional(self, v: Tensor) -> Tensor:
        """Derivative of the monomials along v, [N, T, C]."""
        directions = self.gather(v, 0.0)
        return _total([_product(d, self.product_without(q)) for q, d in enumerate(directions)])

    def hessian_product(self, weights: Tensor, directions: list[Tensor]) -> Tensor:
        """The weighted monomials' Hessian applied to a direction that was gathered, [N, D, C]."""
        summands = []
        for q, onto in enumerate(self.onto):
            inner = [_product(d, self.product_without(q, other)) for other, d in enumerate(directions) if other != q]
            summands.append(onto @ (weights * _total(inner)))
        return _total(summands)


def _product(*factors: Tensor | None) -> Tensor:
    result: Tensor | None = None
    for factor in factors:
        if factor is not None:
            result = factor if result is None else result * factor
    if result is None:
        raise ValueError("an empty product has no shape")
    return result


def _total(summands: list[Tensor]) -> Tensor:
    result = summands[0]
    for summand in summands[1:]:
        result = result + summand
    return result


def _node_chunks(table: ManyBodyTable, A: Tensor, *others: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The atoms in chunks whose monomials fit a processor's cache: several times faster on a CPU than all at once."""
    size = A.shape[0] if A.is_cuda else max(1, _CHUNK_ELEMENTS // max(1, table.num_terms * A.shape[2]))
    yield from zip(*(tensor.split(max(1, size)) for tensor in (A, *others)), strict=True)


def many_body(
    table: ManyBodyTable, A: Tensor, coefficients: Tensor, species: Tensor, order: Tensor | None = None
) -> Tensor:
    """B [N, M, C]. Atoms are taken as they come: `order` is for kernels that sort them."""
    results = []
    for a, z in _node_chunks(table, A, species):
        terms = _ManyBody(table, a)
        results.append(terms.outputs @ (terms.monomials() * coefficients.index_select(0, z)))
    return torch.cat(results)


def many_body_gradients(
    table: ManyBodyTable, A: Tensor, coefficients: Tensor, species: Tensor, order: Tensor, g: Tensor, wanted: str
) -> tuple[Tensor, Tensor]:
    """d(g . B)/dA [N, D, C] and d(g . B)/d(coefficients) [S, T, C]; what is not wanted is empty."""
    slopes = [A.new_empty(0)]
    weights = torch.zeros_like(coefficients) if "k" in wanted else A.new_empty(0)
    if "A" in wanted:
        slopes = []
    for a, z, upstream in _node_chunks(table, A, species, g):
        terms = _ManyBody(table, a)
        onto_terms = terms.outputs.T @ upstream
        if "A" in wanted:
            weighted = coefficients.index_select(0, z) * onto_terms
            parts = [onto @ _product(weighted, terms.product_without(q)) for q, onto in enumerate(terms.onto)]
            slopes.append(_total(parts))
        if "k" in wanted:
            weights.index_add_(0, z, terms.monomials() * onto_terms)
    return torch.cat(slopes), weights


def many_body_tangents(
    table: ManyBodyTable,
    A: Tensor,
    coefficients: Tensor,
    species: Tensor,
    order: Tensor,
    g: Tensor,
    v: Tensor,
    wanted: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """Derivatives along v of d(g . B)/dA (the Hessian applied to v), of d(g . B)/d(coefficients) and of B."""
    second, along = [], []
    weights = torch.zeros_like(coefficients) if "k" in wanted else A.new_empty(0)
    for a, z, upstream, direction in _node_chunks(table, A, species, g, v):
        terms = _ManyBody(table, a)
        onto_terms = terms.outputs.T @ upstream
        chosen = coefficients.index_select(0, z)
        if table.factors.shape[1] == 1:
            second.append(torch.zeros_like(a))
        else:
            second.append(terms.hessian_product(chosen * onto_terms, terms.gather(direction, 0.0)))
        slopes = terms.directional(direction)
        along.append(terms.outputs @ (slopes * chosen))
        if "k" in wanted:
            weights.index_add_(0, z, slopes * onto_terms)
    return torch.cat(second), weights, torch.cat(along)


class _Part(NamedTuple):
    """One block of the atoms of one species, as matrices without copies."""

    source: Tensor
    """[components, rows, copies * C], a view of the input."""
    matrix: Tensor
    """[copies * C, C'], a view of the weights."""
    target: Tensor
    """[components, rows, C'], a view of the output."""
    scale: float

    def expanded(self) -> Tensor:
        """The matrix, once for each component."""
        return self.matrix.expand(self.source.shape[0], -1, -1)


def _parts(
    table: MixingTable, x: Tensor, weight: Tensor, y: Tensor, counts: Sequence[int], factor: float
) -> Iterator[_Part]:
    """Every block of every species that occurs; x and y are contiguous and sorted by species."""
    matrices = table.matrices(weight)
    first = 0
    for species, count in enumerate(counts):
        if count:
            rows_of_x, rows_of_y = x[first : first + count], y[first : first + count]
            for block, matrix in zip(table.blocks, matrices, strict=True):
                yield _Part(
                    _as_matrices(rows_of_x, block.source, block.components, block.copies),
                    matrix[species],
                    _as_matrices(rows_of_y, block.target, block.components, 1),
                    factor * matrix.shape[-2] ** -0.5,
                )
        first += count


def _as_matrices(x: Tensor, start: int, components: int, copies: int) -> Tensor:
    """Rows `start` on of [N, D, C] as [components, N, copies * C]."""
    rows, total, channels = x.shape
    width = copies * channels
    offset = x.storage_offset() + start * channels
    return x.as_strided((components, rows, width), (width, total * channels, 1), offset)


def block_mix(
    table: MixingTable,
    x: Tensor,
    weight: Tensor,
    species: Tensor | None,
    order: Tensor | None,
    counts: Sequence[int],
    factor: float,
) -> Tensor:
    """Each block times its matrix, [N, D', C']."""
    y = x.new_zeros(x.shape[0], table.outputs, table.channels_out)
    for part in _parts(table, _sorted(x, order), weight, y, counts, factor):
        torch.baddbmm(part.target, part.source, part.expanded(), beta=0, alpha=part.scale, out=part.target)
    return _unsorted(y, order)


def block_mix_transposed(
    table: MixingTable,
    g: Tensor,
    weight: Tensor,
    species: Tensor | None,
    order: Tensor | None,
    counts: Sequence[int],
    factor: float,
) -> Tensor:
    """Each block times its transposed matrix, [N, D, C]."""
    x = g.new_zeros(g.shape[0], table.inputs, table.channels_in)
    for part in _parts(table, x, weight, _sorted(g, order), counts, factor):
        transposed = part.expanded().transpose(1, 2)
        torch.baddbmm(part.source, part.target, transposed, beta=0, alpha=part.scale, out=part.source)
    return _unsorted(x, order)


def block_mix_outer(
    table: MixingTable, x: Tensor, g: Tensor, order: Tensor | None, counts: Sequence[int], factor: float
) -> Tensor:
    """Sum over atoms and components of input times output, [S, K]."""
    weight = x.new_zeros(len(counts), table.num_weights)
    for part in _parts(table, _sorted(x, order), weight, _sorted(g, order), counts, factor):
        transposed = part.source.transpose(1, 2)
        torch.addbmm(part.matrix, transposed, part.target, beta=0, alpha=part.scale, out=part.matrix)
    return weight


def _sorted(x: Tensor, order: Tensor | None) -> Tensor:
    return x.contiguous() if order is None else x.index_select(0, order)


def _unsorted(x: Tensor, order: Tensor | None) -> Tensor:
    return x if order is None else torch.empty_like(x).index_copy_(0, order, x)
