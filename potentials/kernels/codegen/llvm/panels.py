"""Panels of matrix products whose sums are kept in registers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from llvmlite import ir

from potentials.kernels.codegen.llvm.emitter import Emitter, Number, Variable

VECTORS = 6
"""Vectors that share each load from a matrix."""
_ACCUMULATORS = 24
_CHAINED = 12


def panels(columns: int, sums: int, lanes: int) -> Iterator[tuple[int, int]]:
    """Yield first column and width of the panels of the output; `sums` rows of a panel are kept in registers.

    A panel is 4, 2 or 1 registers wide: LLVM splits vectors of other lengths, which is slow.
    """
    start = 0
    while start < columns:
        left = max(1, (columns - start) // lanes)
        registers = next(n for n in (4, 2, 1) if n == 1 or (n * sums <= _ACCUMULATORS and n <= left))
        width = min(registers * lanes, columns - start)
        yield start, width
        start += width


def panel(
    emitter: Emitter,
    vectors: Sequence[Callable[[Number], Number]],
    matrix: tuple[ir.Value, Number],
    shape: tuple[int, int],
    width: int,
) -> list[Number]:
    """Compute some columns of the products of several vectors with one matrix.

    Args:
        emitter: emitter of the kernel.
        vectors: functions that return the entry of each vector for a row of the matrix.
        matrix: address of the matrix, and the index of the first column in its first row.
        shape: rows and columns of the matrix.
        width: number of columns.
    """
    rows, columns = shape
    base, first_number = matrix
    registers = len(vectors) * -(-width // emitter.register_lanes)
    # The products of one sum depend on each other; several partial sums per output can be computed in parallel.
    chains = next(n for n in (4, 2, 1) if n == 1 or (registers * n <= _CHAINED and rows % n == 0))
    sums = [[Variable(emitter, width) for _ in vectors] for _ in range(chains)]
    with emitter.loop(emitter.whole(0), emitter.whole(rows), chains) as first:
        for chain in range(chains):
            row = first + chain
            values = emitter.load(base, first_number + row * columns, width)
            for total, vector in zip(sums[chain], vectors, strict=True):
                total.add(emitter.spread(vector(row), width) * values)
    results = [variable.get() for variable in sums[0]]
    for others in sums[1:]:
        results = [total + variable.get() for total, variable in zip(results, others, strict=True)]
    return results
