"""CPU code for the harmonics of edges and the lengths of pairs; one edge per row, fully unrolled."""

from __future__ import annotations

from typing import Literal

import numpy as np
from llvmlite import ir

from potentials.kernels.codegen.duals import Dual
from potentials.kernels.codegen.llvm.emitter import Emitter, Number
from potentials.kernels.codegen.llvm.functions import quotient, square_root
from potentials.kernels.edge_geometry.table import HarmonicsTable

PARAMETERS = ("vectors", "v", "by_Y", "by_distances", "edge_pair", "pair_edges", "out_first", "out_second")
GeometryKernel = Literal["values", "gradient", "tangent"]

_TOLERANCE = 1e-12


class _Edge:
    """Length, direction and harmonics of one edge, optionally with their derivatives along v."""

    def __init__(self, emitter: Emitter, table: HarmonicsTable, edge: Number, sign: float, along: bool) -> None:
        self.emitter, self.edge, self.table = emitter, edge, table
        vector = self.components("vectors")
        self.inverse = quotient(emitter.scalar(1.0), square_root(_dot(vector, vector)))
        self.distance = quotient(emitter.scalar(1.0), self.inverse)
        self.units = [component * self.inverse for component in vector]
        scale = 3**0.5 * sign
        first = [Dual(unit * scale) for unit in self.units]
        if along:
            v = self.components("v")
            self.stretch = _dot(self.units, v)
            first = [
                Dual(number.value, (component - unit * self.stretch) * self.inverse * scale)
                for number, component, unit in zip(first, v, self.units, strict=True)
            ]
        self.blocks: list[list[Dual[Number]]] = [[Dual(emitter.scalar(1.0))], first][: table.degree + 1]
        for matrix in table.raising:
            self.blocks.append(_raised(matrix, self.blocks[-1], first))
        pair = emitter.load_integer(emitter.address("edge_pair"), edge)
        first_edge = emitter.load_integer(emitter.address("pair_edges"), pair * 2)
        self.pair, self.is_first = pair, emitter.is_equal(first_edge, edge)

    def components(self, name: str) -> list[Number]:
        """Load the three components of a vector of this edge."""
        return [self.emitter.load(self.emitter.address(name), self.edge * 3 + axis) for axis in range(3)]

    def store_for_pair(self, number: Number) -> None:
        """Store a number of the pair if this is its first edge."""
        emitter = self.emitter
        times = emitter.select(self.is_first, emitter.whole(1), emitter.whole(0))
        with emitter.loop(emitter.whole(0), times):
            emitter.store(number, emitter.address("out_second"), self.pair)


def _dot(left: list[Number], right: list[Number]) -> Number:
    total = left[0] * right[0]
    for a, b in zip(left[1:], right[1:], strict=True):
        total = total + a * b
    return total


def _entries(matrix: np.ndarray) -> list[tuple[int, int, int, float]]:
    """List indices and values of the nonzero coefficients."""
    return [(int(a), int(b), int(d), float(matrix[a, b, d])) for a, b, d in np.argwhere(np.abs(matrix) > _TOLERANCE)]


def _raised(matrix: np.ndarray, lower: list[Dual[Number]], first: list[Dual[Number]]) -> list[Dual[Number]]:
    """Compute Y_l from Y_{l-1} and Y_1."""
    products: dict[tuple[int, int], Dual[Number]] = {}
    sums: dict[int, Dual[Number]] = {}
    for a, b, d, coefficient in _entries(matrix):
        if (a, b) not in products:
            products[a, b] = lower[a] * first[b]
        term = products[a, b] * coefficient
        sums[d] = sums[d] + term if d in sums else term
    return [sums[d] for d in range(matrix.shape[2])]


def emit(table: HarmonicsTable, sign: float, kernel: GeometryKernel, bits: int) -> ir.Function:
    """Write a kernel: values, their derivatives along v, or the gradient with respect to the vectors."""
    emitter = Emitter(PARAMETERS, bits)
    with emitter.rows() as row:
        edge = _Edge(emitter, table, row, sign, along=kernel == "tangent")
        if kernel == "gradient":
            results = _gradient(edge, sign)
        else:
            harmonics = [number for block in edge.blocks for number in block]
            values, tangents = ([getattr(number, part) for number in harmonics] for part in ("value", "tangent"))
            results = values if kernel == "values" else [number or emitter.scalar(0.0) for number in tangents]
            edge.store_for_pair(edge.distance if kernel == "values" else edge.stretch)
        for component, number in enumerate(results):
            emitter.store(number, emitter.address("out_first"), row * len(results) + component)
    return emitter.function


def _gradient(edge: _Edge, sign: float) -> list[Number]:
    """Differentiate by_Y . Y + by_distances . d with respect to the edge vector, backward through the recursion."""
    emitter, table = edge.emitter, edge.table
    by_Y = [
        emitter.load(emitter.address("by_Y"), edge.edge * table.components + component)
        for component in range(table.components)
    ]
    gradients = [by_Y[degree**2 : (degree + 1) ** 2] for degree in range(table.degree + 1)]
    for degree in range(table.degree, 1, -1):
        lower, first = edge.blocks[degree - 1], edge.blocks[1]
        pairs: dict[tuple[int, int], Number] = {}
        for a, b, d, coefficient in _entries(table.raising[degree - 2]):
            term = gradients[degree][d] * coefficient
            pairs[a, b] = pairs[a, b] + term if (a, b) in pairs else term
        for (a, b), number in pairs.items():
            gradients[1][b] = gradients[1][b] + number * lower[a].value
            gradients[degree - 1][a] = gradients[degree - 1][a] + number * first[b].value
    by_distance = emitter.load(emitter.address("by_distances"), edge.pair)
    along = emitter.select(edge.is_first, by_distance, emitter.scalar(0.0))
    if table.degree == 0:
        return [unit * along for unit in edge.units]
    scale = 3**0.5 * sign
    by_units = [number * scale for number in gradients[1]]
    inward = _dot(edge.units, by_units)
    return [
        (number - unit * inward) * edge.inverse + unit * along
        for number, unit in zip(by_units, edge.units, strict=True)
    ]
