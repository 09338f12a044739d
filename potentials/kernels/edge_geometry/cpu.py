"""Calls of the CPU kernels for harmonics and distances."""

from __future__ import annotations

from functools import cache

from torch import Tensor

from potentials.kernels.codegen.llvm.compiler import compiled
from potentials.kernels.codegen.llvm.threads import bits_of, run_rows
from potentials.kernels.edge_geometry import cpu_code
from potentials.kernels.edge_geometry.cpu_code import GeometryKernel
from potentials.kernels.edge_geometry.table import HarmonicsTable
from potentials.kernels.memory import allocate


@cache
def _code(table: HarmonicsTable, sign: float, kernel: GeometryKernel, bits: int) -> int:
    return compiled(cpu_code.emit, table, sign, kernel, bits)


def _run(table: HarmonicsTable, sign: float, kernel: GeometryKernel, rows: int, given: dict[str, Tensor]) -> None:
    words = [given[name].data_ptr() if name in given else 0 for name in cpu_code.PARAMETERS]
    if rows:
        run_rows(_code(table, sign, kernel, bits_of(given["vectors"])), rows, words)


def edge_geometry(
    table: HarmonicsTable, vectors: Tensor, edge_pair: Tensor, pair_edges: Tensor, sign: float
) -> tuple[Tensor, Tensor]:
    """Compute Y [E, B] and distances [W, 1]."""
    edges = vectors.shape[0]
    Y, distances = allocate(vectors, edges, table.components), vectors.new_empty(pair_edges.shape[0], 1)
    pairs = {"edge_pair": edge_pair, "pair_edges": pair_edges}
    _run(table, sign, "values", edges, pairs | {"vectors": vectors, "out_first": Y, "out_second": distances})
    return Y, distances


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
    result = allocate(vectors, *vectors.shape)
    given = {"vectors": vectors, "by_Y": by_Y, "by_distances": by_distances, "out_first": result}
    _run(table, sign, "gradient", vectors.shape[0], given | {"edge_pair": edge_pair, "pair_edges": pair_edges})
    return result


def edge_geometry_tangent(
    table: HarmonicsTable, vectors: Tensor, v: Tensor, edge_pair: Tensor, pair_edges: Tensor, sign: float
) -> tuple[Tensor, Tensor]:
    """Compute the derivatives of Y and d along v."""
    edges = vectors.shape[0]
    Y, distances = allocate(vectors, edges, table.components), vectors.new_empty(pair_edges.shape[0], 1)
    given = {"vectors": vectors, "v": v, "out_first": Y, "out_second": distances}
    _run(table, sign, "tangent", edges, given | {"edge_pair": edge_pair, "pair_edges": pair_edges})
    return Y, distances
