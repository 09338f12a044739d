"""The basis of symmetric polynomials: equivariant, orthonormal, and complete by an independent count."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from e3nn import o3
from numpy.typing import NDArray

from potentials.equivariant import Irrep, Layout, SymmetricBasis, couplings, symmetric_basis

CASES = [(edge, output, correlation) for edge in (0, 1, 2, 3) for output in (0, 1, 2) for correlation in (1, 2, 3)]
CASES = [case for case in CASES if case[1] <= case[0] and case != (3, 2, 3)]


def basis(edge_degree: int, output_degree: int, correlation: int) -> SymmetricBasis:
    return symmetric_basis(Layout.natural(edge_degree), Layout.natural(output_degree), correlation)


def polynomials(found: SymmetricBasis, A: NDArray) -> NDArray:
    """All of them at the points A [points, components]: [points, output components, K]."""
    table = found.table
    extended = np.concatenate([A, np.ones((len(A), 1))], axis=1)
    monomials = np.prod(extended[:, table.factors], axis=2)
    values = np.zeros((len(A), table.outputs, found.matrix.shape[1]))
    for t, output in enumerate(table.output_of_term):
        values[:, output] += monomials[:, t, None] * found.matrix[t]
    return values


def representation(layout: Layout, matrix: torch.Tensor) -> NDArray:
    return o3.Irreps([(1, (irrep.degree, irrep.parity)) for irrep in layout]).D_from_matrix(matrix).numpy()


def multiplicity(layout: Layout, output: Irrep, order: int) -> int:
    """How often an irrep occurs among the homogeneous polynomials of this order, from characters of O(3).

    The character of the symmetric power follows from those of g, g^2, ... by Newton's identities; the integral over
    rotation angles is exact, because the integrand is a trigonometric polynomial.
    """
    angles = 2 * np.pi * (np.arange(200) + 0.5) / 200
    density = (1 - np.cos(angles)) / 200

    def character(irreps: tuple[Irrep, ...], inverted: bool, power: int) -> NDArray:
        """Of g^power, g a rotation by the angles, times the inversion or not."""
        return sum(
            (irrep.parity if inverted and power % 2 else 1)
            * sum(np.cos(m * power * angles) for m in range(-irrep.degree, irrep.degree + 1))
            for irrep in irreps
        )

    total = 0.0
    for inverted in (False, True):
        symmetric = [np.ones_like(angles)]
        for n in range(1, order + 1):
            powers = [character(layout, inverted, k) * symmetric[n - k] for k in range(1, n + 1)]
            symmetric.append(sum(powers) / n)
        total += 0.5 * (density * symmetric[order] * character((output,), inverted, 1)).sum()
    assert abs(total - round(total)) < 1e-9
    return round(total)


@pytest.mark.parametrize(("edge_degree", "output_degree", "correlation"), CASES)
def test_equivariant(edge_degree: int, output_degree: int, correlation: int) -> None:
    found = basis(edge_degree, output_degree, correlation)
    inputs, outputs = Layout.natural(edge_degree), Layout.natural(output_degree)
    A = np.random.default_rng(0).normal(size=(4, inputs.dim))
    for sign in (1, -1):
        matrix = sign * o3.rand_matrix()
        rotated = polynomials(found, A @ representation(inputs, matrix).T)
        expected = np.einsum("ij,njk->nik", representation(outputs, matrix), polynomials(found, A))
        np.testing.assert_allclose(rotated, expected, rtol=0, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize(("edge_degree", "output_degree", "correlation"), CASES)
def test_complete(edge_degree: int, output_degree: int, correlation: int) -> None:
    found = basis(edge_degree, output_degree, correlation)
    inputs = Layout.natural(edge_degree)
    for output, counts in zip(Layout.natural(output_degree), found.paths, strict=True):
        assert counts == tuple(multiplicity(inputs, output, order) for order in range(1, correlation + 1))
    assert found.matrix.shape == (found.table.num_terms, sum(itertools.chain(*found.paths)))


@pytest.mark.parametrize(("edge_degree", "output_degree", "correlation"), CASES)
def test_independent(edge_degree: int, output_degree: int, correlation: int) -> None:
    """As functions: no combination vanishes at many random points."""
    found = basis(edge_degree, output_degree, correlation)
    num_polynomials = found.matrix.shape[1]
    points = np.random.default_rng(1).normal(size=(3 * num_polynomials, found.table.components))
    values = polynomials(found, points).reshape(-1, num_polynomials)
    singular = np.linalg.svd(values / np.linalg.norm(values, axis=0), compute_uv=False)
    assert singular.min() > 1e-3


@pytest.mark.parametrize(("edge_degree", "output_degree", "correlation"), [(1, 1, 3), (2, 1, 2), (2, 2, 3), (3, 1, 3)])
def test_orthonormal_as_symmetric_tensors(edge_degree: int, output_degree: int, correlation: int) -> None:
    """Written out as symmetric tensors over all orders of the factors; the squares add up to 2l + 1."""
    found = basis(edge_degree, output_degree, correlation)
    table, size = found.table, found.table.components
    columns = iter(range(found.matrix.shape[1]))
    for (output, part), counts in zip(
        zip(Layout.natural(output_degree), Layout.natural(output_degree).slices(), strict=True),
        found.paths,
        strict=True,
    ):
        for order, count in enumerate(counts, start=1):
            tensors = []
            for column in itertools.islice(columns, count):
                tensor = np.zeros((output.dim, *[size] * order))
                for t in np.flatnonzero(found.matrix[:, column]):
                    monomial = [component for component in table.factors[t] if component < size]
                    assert len(monomial) == order
                    assert part.start <= table.output_of_term[t] < part.stop
                    orders = set(itertools.permutations(monomial))
                    for indices in orders:
                        tensor[(table.output_of_term[t] - part.start, *indices)] += found.matrix[t, column] / len(
                            orders
                        )
                tensors.append(tensor.ravel())
            gram = np.array(tensors) @ np.array(tensors).T
            np.testing.assert_allclose(gram, output.dim * np.eye(count), rtol=0, atol=1e-10)
    assert next(columns, None) is None


def test_the_numbers_of_the_design() -> None:
    scalars, vectors = basis(3, 0, 3), basis(3, 1, 3)
    assert scalars.paths == ((1, 4, 8),)
    assert (scalars.table.num_terms, vectors.table.num_terms) == (94, 410)


@pytest.mark.parametrize("correlation", [1, 2, 3])
def test_tables_are_sorted_and_without_repetition(correlation: int) -> None:
    table = basis(2, 1, correlation).table
    assert table.factors.shape[1] == correlation
    assert (np.diff(table.factors, axis=1) >= 0).all()
    assert (np.diff(table.output_of_term) >= 0).all()
    rows = {(output, *factors) for output, factors in zip(table.output_of_term, table.factors.tolist(), strict=True)}
    assert len(rows) == table.num_terms
    assert np.abs(basis(2, 1, correlation).matrix).max(axis=1).min() > 1e-9


def test_signs_of_the_coupling_coefficients_do_not_matter() -> None:
    # Releases of e3nn differ in them; weights of products must mean the same under all.
    layout, outputs = Layout.natural(2), Layout.natural(1)
    expected = symmetric_basis(layout, outputs, 3)
    original = couplings.wigner_3j
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(couplings, "wigner_3j", lambda *degrees: original(*degrees) * (-1) ** (sum(degrees[:2]) % 3))
        found = symmetric_basis.__wrapped__(layout, outputs, 3)
    np.testing.assert_allclose(found.matrix, expected.matrix, rtol=0, atol=1e-12)
    assert found.table is expected.table
