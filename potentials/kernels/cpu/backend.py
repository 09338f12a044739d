"""The kernels on a CPU: code written for each table and number of channels, compiled once, run on PyTorch's threads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from potentials.kernels.cpu import many_body_kernels, message_kernels, mixing_kernels
from potentials.kernels.cpu.compiler import compiled
from potentials.kernels.cpu.many_body_kernels import NODE_BLOCK, ManyBodyKernel, channel_parts
from potentials.kernels.cpu.message_kernels import MessageKernel
from potentials.kernels.cpu.mixing_kernels import BlockMap, MixingKernel
from potentials.kernels.cpu.threads import run_rows
from potentials.kernels.reference import block_mix_outer
from potentials.kernels.tables import ManyBodyTable, MessageTable, MixingTable, lookup
from potentials.kernels.topology import EdgeTopology

__all__ = [
    "DTYPES",
    "block_mix",
    "block_mix_outer",
    "block_mix_transposed",
    "many_body",
    "many_body_gradients",
    "many_body_tangents",
    "message_gradients",
    "message_sum",
    "message_tangents",
]

DTYPES = (torch.float32, torch.float64)
_SUM_BLOCK = 64
"""Atoms whose coefficient gradients are summed by one worker: fixed, so that sums do not depend on the workers."""


@cache
def _message_code(key: str, channels: int, bits: int, kernel: MessageKernel) -> int:
    table = lookup(key)
    if not isinstance(table, MessageTable):
        raise TypeError(f"{key} is not a message table")
    along = f" along {''.join(sorted(kernel.directions))}" if kernel.directions else ""
    return compiled(
        f"{kernel.output} of {key}{along}, {channels} channels of {bits} bits",
        lambda: message_kernels.emit(table, channels, bits, kernel),
    )


@cache
def _many_body_code(key: str, channels: int, bits: int, kernel: ManyBodyKernel) -> int:
    table = lookup(key)
    if not isinstance(table, ManyBodyTable):
        raise TypeError(f"{key} is not a many-body table")
    return compiled(
        f"{kernel} of {key}, {channels} channels of {bits} bits",
        lambda: many_body_kernels.emit(table, channels, bits, kernel),
    )


def _bits(tensor: Tensor) -> int:
    return tensor.element_size() * 8


class _MessageCall:
    """One call of the message-passing family: arguments made contiguous, addresses of those that a kernel reads."""

    def __init__(self, table: MessageTable, topology: EdgeTopology, w: Tensor, **others: Tensor | None) -> None:
        self.table, self.topology = table, topology
        self.like, self.channels = w, w.shape[2]
        given = {"w": w} | {name: value for name, value in others.items() if value is not None}
        self.arguments = {name: value.contiguous() for name, value in given.items()}
        self.words = [
            self.arguments[name].data_ptr() if name in self.arguments else 0 for name in message_kernels.ARRAYS
        ] + [indices.data_ptr() for indices in topology]

    def run(self, kernel: MessageKernel, rows: int, first: Tensor, second: Tensor | None = None) -> None:
        """Run a kernel over its rows, into one output or two."""
        if self.channels == 0:
            return
        code = _message_code(self.table.key, self.channels, _bits(self.like), kernel)
        run_rows(code, rows, [*self.words, first.data_ptr(), 0 if second is None else second.data_ptr()])

    def new(self, *shape: int) -> Tensor:
        """Room for a result."""
        return self.like.new_empty(*shape)


def message_sum(table: MessageTable, h: Tensor, Y: Tensor, w: Tensor, topology: EdgeTopology) -> Tensor:
    """dQ/dg [N, D, C]."""
    call = _MessageCall(table, topology, w, h=h, Y=Y)
    return _node_sum(call, "g", frozenset())


def _node_sum(call: _MessageCall, output: str, directions: frozenset[str]) -> Tensor:
    components = call.table.receiver_components if output == "g" else call.table.sender_components
    result = call.new(call.topology.num_nodes, components, call.channels)
    call.run(MessageKernel(output, directions), call.topology.num_nodes, result)
    return result


def _pair_sums(call: _MessageCall, wanted: str, directions: frozenset[str]) -> tuple[Tensor, Tensor]:
    """dQ/dY [E, B] and dQ/dw [W, P, C], those that are wanted; the others empty."""
    topology, empty = call.topology, call.new(0)
    harmonics = call.new(topology.num_edges, call.table.harmonic_components) if "Y" in wanted else empty
    weights = call.new(topology.num_pairs, len(call.table.paths), call.channels) if "w" in wanted else empty
    if "Y" in wanted or "w" in wanted:
        output = "".join(name for name in "Yw" if name in wanted)
        call.run(MessageKernel(output, directions), topology.num_pairs, harmonics, weights)
    return harmonics, weights


def message_gradients(
    table: MessageTable, h: Tensor, Y: Tensor, w: Tensor, g: Tensor, topology: EdgeTopology, wanted: str
) -> tuple[Tensor, Tensor, Tensor]:
    """dQ/dh, dQ/dY, dQ/dw, those that are wanted."""
    call = _MessageCall(table, topology, w, h=h, Y=Y, g=g)
    features = _node_sum(call, "h", frozenset()) if "h" in wanted else call.new(0)
    return (features, *_pair_sums(call, wanted, frozenset()))


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
    """Derivatives of dQ/dh, dQ/dY, dQ/dw and dQ/dg along (dh, dY, dw), those that are wanted."""
    call = _MessageCall(table, topology, w, h=h, Y=Y, g=g, dh=dh, dY=dY, dw=dw)
    directions = {name for name in ("h", "Y", "w") if f"d{name}" in call.arguments}
    results: dict[str, Tensor] = {}
    for output in ("h", "g"):
        along = frozenset(directions - {output})
        if output not in wanted:
            results[output] = call.new(0)
        elif along:
            results[output] = _node_sum(call, output, along)
        else:
            results[output] = torch.zeros_like(h if output == "h" else g)
    # dQ/dY does not depend on Y, nor dQ/dw on w; a kernel for both takes all directions, and needs one that counts.
    pair_wanted = "".join(name for name in "Yw" if name in wanted and directions - {name})
    results["Y"], results["w"] = _pair_sums(call, pair_wanted, frozenset(directions))
    for name, like in (("Y", Y), ("w", w)):
        if name in wanted and name not in pair_wanted:
            results[name] = torch.zeros_like(like)
    return results["h"], results["Y"], results["w"], results["g"]


@cache
def _mixing_code(kernel: MixingKernel, bits: int) -> int:
    return compiled(f"mixing {kernel!r} of {bits} bits", lambda: mixing_kernels.emit(kernel, bits))


@cache
def _mixing_kernel(table: MixingTable, by_species: bool, factor: float, transposed: bool) -> MixingKernel:
    blocks, offset = [], 0
    for block in table.blocks:
        rows, columns = block.copies * table.channels_in, table.channels_out
        source, target = block.source * table.channels_in, block.target * table.channels_out
        scale = factor * rows**-0.5
        if transposed:
            blocks.append(BlockMap(block.components, target, columns, source, rows, offset, scale))
        else:
            blocks.append(BlockMap(block.components, source, rows, target, columns, offset, scale))
        offset += rows * columns
    sizes = (table.inputs * table.channels_in, table.outputs * table.channels_out)
    inputs, outputs = reversed(sizes) if transposed else sizes
    return MixingKernel(tuple(blocks), inputs, outputs, table.num_weights, by_species)


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
    new = x.new_empty if table.covers_output else x.new_zeros
    result = new(x.shape[0], table.outputs, table.channels_out)
    _run_mixing(_mixing_kernel(table, species is not None, factor, False), x, weight, species, result)
    return result


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
    new = g.new_empty if table.covers_input else g.new_zeros
    result = new(g.shape[0], table.inputs, table.channels_in)
    turned = torch.cat([matrix.transpose(-1, -2).flatten(-2) for matrix in table.matrices(weight)], dim=-1)
    _run_mixing(_mixing_kernel(table, species is not None, factor, True), g, turned, species, result)
    return result


def _run_mixing(kernel: MixingKernel, x: Tensor, weight: Tensor, species: Tensor | None, result: Tensor) -> None:
    kept = [x.contiguous(), weight.contiguous(), result]
    first, second, third = (tensor.data_ptr() for tensor in kept)
    words = [first, second, 0 if species is None else species.data_ptr(), third]
    if result.numel():
        run_rows(_mixing_code(kernel, _bits(x)), x.shape[0], words)


def _run_many_body(
    kernel: ManyBodyKernel,
    table: ManyBodyTable,
    tensors: dict[str, Tensor],
    outputs: tuple[Tensor, ...],
    blocks: int,
) -> None:
    A = tensors["A"]
    channels, bits = A.shape[2], _bits(A)
    if channels == 0 or blocks == 0:
        return
    kept = {name: tensor.contiguous() for name, tensor in tensors.items()}
    words = []
    for name in many_body_kernels.PARAMETERS:
        if name == "atoms":
            words.append(A.shape[0])
        elif name in ("out_first", "out_second"):
            position = ("out_first", "out_second").index(name)
            words.append(outputs[position].data_ptr() if position < len(outputs) else 0)
        else:
            words.append(kept[name].data_ptr() if name in kept else 0)
    run_rows(_many_body_code(table.key, channels, bits, kernel), blocks * channel_parts(channels, bits), words)


def _atom_blocks(atoms: int) -> int:
    return -(-atoms // NODE_BLOCK)


def many_body(table: ManyBodyTable, A: Tensor, coefficients: Tensor, species: Tensor, order: Tensor) -> Tensor:
    """B [N, M, C]."""
    result = A.new_empty(A.shape[0], table.outputs, A.shape[2])
    tensors = {"A": A, "coefficients": coefficients, "species": species, "order": order}
    _run_many_body("value", table, tensors, (result,), _atom_blocks(A.shape[0]))
    return result


def many_body_gradients(
    table: ManyBodyTable, A: Tensor, coefficients: Tensor, species: Tensor, order: Tensor, g: Tensor, wanted: str
) -> tuple[Tensor, Tensor]:
    """d(g . B)/dA and d(g . B)/d(coefficients), those that are wanted."""
    tensors = {"A": A, "coefficients": coefficients, "species": species, "order": order, "g": g}
    slopes = A.new_empty(0)
    if "A" in wanted:
        slopes = torch.empty_like(A, memory_format=torch.contiguous_format)
        _run_many_body("gradient", table, tensors, (slopes,), _atom_blocks(A.shape[0]))
    if "k" not in wanted:
        return slopes, A.new_empty(0)
    return slopes, _coefficient_gradient("coefficients", table, tensors, coefficients.shape[0])


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
    """Derivatives along v of d(g . B)/dA, d(g . B)/d(coefficients) and B, those that are wanted."""
    tensors = {"A": A, "coefficients": coefficients, "species": species, "order": order, "g": g, "v": v}
    second = along = A.new_empty(0)
    if "A" in wanted or "g" in wanted:
        second = torch.empty_like(A, memory_format=torch.contiguous_format)
        along = torch.empty_like(g, memory_format=torch.contiguous_format)
        _run_many_body("tangents", table, tensors, (second, along), _atom_blocks(A.shape[0]))
    if "k" not in wanted:
        return second, A.new_empty(0), along
    return second, _coefficient_gradient("coefficient_tangents", table, tensors, coefficients.shape[0]), along


def _coefficient_gradient(
    kernel: ManyBodyKernel, table: ManyBodyTable, tensors: dict[str, Tensor], num_species: int
) -> Tensor:
    A, species = tensors["A"], tensors["species"]
    bounds, owners = [], []
    start = 0
    for number, count in enumerate(torch.bincount(species, minlength=num_species).tolist()):
        for first in range(start, start + count, _SUM_BLOCK):
            bounds += [first, min(first + _SUM_BLOCK, start + count)]
            owners.append(number)
        start += count
    partial = A.new_empty(len(owners), table.num_terms, A.shape[2])
    _run_many_body(
        kernel, table, tensors | {"blocks": torch.tensor(bounds, dtype=torch.int64)}, (partial,), len(owners)
    )
    if owners == list(range(num_species)):
        return partial
    return A.new_zeros(num_species, table.num_terms, A.shape[2]).index_add_(
        0, torch.tensor(owners, dtype=torch.int64), partial
    )
