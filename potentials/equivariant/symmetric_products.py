"""The basis of symmetric equivariant polynomials, which spans MACE's symmetric contraction without redundancy."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache

import numpy as np

from potentials.equivariant.couplings import coupling_coefficients
from potentials.equivariant.layout import Irrep, Layout
from potentials.kernels import ManyBodyTable

_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class SymmetricBasis:
    """Polynomials of degree 1 to `correlation` in the components of one channel that transform as the output irreps.

    Attributes:
        table: the monomials of every output component, for `potentials.kernels.many_body`.
        paths: number of independent polynomials of each degree (n_1, ..., n_correlation) for each output irrep.
        matrix: coefficient of monomial t in polynomial k [T, K]; k runs over output irreps, then degrees. Polynomials
            are orthonormal as symmetric tensors, summed over the output components, times sqrt(2l + 1).
    """

    table: ManyBodyTable
    paths: tuple[tuple[int, ...], ...]
    matrix: np.ndarray


def _coupled_tensors(irreps: Layout, output: Irrep, order: int) -> list[tuple[tuple[int, ...], np.ndarray]]:
    """Construct all sequential couplings of `order` blocks to the output.

    Returns the positions of the blocks and the tensor [2l_1+1, ..., 2l_order+1, 2l+1] of each coupling. Every symmetric
    coupling is a linear combination of those with blocks in ascending order, so only these are constructed.
    """
    partial: list[tuple[tuple[int, ...], Irrep, np.ndarray]] = [
        ((b,), irrep, np.eye(irrep.dim)) for b, irrep in enumerate(irreps)
    ]
    for _ in range(order - 1):
        grown = []
        for blocks, reached, tensor in partial:
            for b in range(blocks[-1], len(irreps)):
                for irrep in reached.products(irreps[b]):
                    coupling = coupling_coefficients(reached.degree, irreps[b].degree, irrep.degree)
                    grown.append(((*blocks, b), irrep, np.tensordot(tensor, coupling, axes=(-1, 0))))
        partial = grown
    return [(blocks, tensor) for blocks, reached, tensor in partial if reached == output]


def _as_polynomials(
    irreps: Layout, blocks: tuple[int, ...], tensors: list[np.ndarray]
) -> tuple[list[tuple[int, ...]], np.ndarray]:
    """Symmetrize tensors over their factors: monomials (sorted component indices) and coefficients [K, M, monomials].

    The coefficient of a monomial is the sum over all orders of its factors.
    """
    starts = [irreps.slices()[b].start for b in blocks]
    ranges = [range(irreps[b].dim) for b in blocks]
    monomials: dict[tuple[int, ...], int] = {}
    columns = [
        monomials.setdefault(tuple(sorted(s + i for s, i in zip(starts, index, strict=True))), len(monomials))
        for index in itertools.product(*ranges)
    ]
    flat = np.stack([tensor.reshape(len(columns), -1).T for tensor in tensors])
    onto_monomials = np.zeros((len(columns), len(monomials)))
    onto_monomials[np.arange(len(columns)), columns] = 1.0
    return list(monomials), flat @ onto_monomials


def _multiplicity(monomial: tuple[int, ...]) -> float:
    """Count the distinct orders of the factors, the weight of a monomial in the norm of the symmetric tensor."""
    return len(set(itertools.permutations(monomial)))


def _independent(coefficients: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Orthonormalize polynomials by Gram-Schmidt under the norm sum(c^2 / weight) and drop dependent ones.

    The first coefficient of each polynomial is made positive, so that the result does not depend on the signs of the
    coupling tensors.
    """
    scale = weights**-0.5
    kept: list[np.ndarray] = []
    for candidate in coefficients * scale:
        size = np.linalg.norm(candidate)
        remainder = candidate.copy()
        for _ in range(2):  # two passes give orthogonality to rounding error
            for vector in kept:
                remainder -= np.sum(vector * remainder) * vector
        if size > _TOLERANCE and np.linalg.norm(remainder) > 1e-6 * size:
            first = remainder.flat[np.argmax(np.abs(remainder) > _TOLERANCE)]
            kept.append(remainder / np.copysign(np.linalg.norm(remainder), first))
    return np.array(kept).reshape(-1, *coefficients.shape[1:]) / scale


def _polynomials(irreps: Layout, output: Irrep, order: int) -> list[tuple[list[tuple[int, ...]], np.ndarray]]:
    """Return monomials and coefficients [2l+1, monomials] of independent polynomials of one order, norm sqrt(2l+1)."""
    by_blocks: dict[tuple[int, ...], list[np.ndarray]] = {}
    for blocks, tensor in _coupled_tensors(irreps, output, order):
        by_blocks.setdefault(blocks, []).append(tensor)
    result = []
    for blocks in sorted(by_blocks):
        monomials, coefficients = _as_polynomials(irreps, blocks, by_blocks[blocks])
        weights = np.array([_multiplicity(monomial) for monomial in monomials])
        result += [(monomials, c * output.dim**0.5) for c in _independent(coefficients, weights)]
    return result


@cache
def symmetric_basis(irreps: Layout, outputs: Layout, correlation: int) -> SymmetricBasis:
    """Construct the basis of symmetric polynomials.

    Args:
        irreps: blocks of the features, one copy of each.
        outputs: output irreps.
        correlation: highest polynomial degree.
    """
    columns: list[tuple[int, list[tuple[int, ...]], np.ndarray]] = []
    counts = []
    start = 0
    for output in outputs:
        numbers = []
        for order in range(1, correlation + 1):
            polynomials = _polynomials(irreps, output, order)
            numbers.append(len(polynomials))
            columns += [(start, monomials, coefficients) for monomials, coefficients in polynomials]
        counts.append(tuple(numbers))
        start += output.dim
    entries: dict[tuple[int, tuple[int, ...]], dict[int, float]] = {}
    for column, (start, monomials, coefficients) in enumerate(columns):
        for m, t in np.argwhere(np.abs(coefficients) > _TOLERANCE):
            padded = monomials[t] + (irreps.dim,) * (correlation - len(monomials[t]))
            entries.setdefault((start + int(m), padded), {})[column] = coefficients[m, t]
    terms = sorted(entries)
    matrix = np.zeros((len(terms), len(columns)))
    for row, term in enumerate(terms):
        for column, value in entries[term].items():
            matrix[row, column] = value
    factors = np.array([monomial for _, monomial in terms], dtype=np.int64).reshape(-1, correlation)
    output_of_term = np.array([output for output, _ in terms], dtype=np.int64)
    return SymmetricBasis(ManyBodyTable.create(irreps.dim, outputs.dim, factors, output_of_term), tuple(counts), matrix)
