"""Cartesian tensors and their blocks: against e3nn, exact inverses, and turned on either side."""

from __future__ import annotations

import pytest
import torch
from e3nn.io import CartesianTensor

from potentials.equivariant import (
    MATRIX,
    SYMMETRIC_MATRIX,
    Irrep,
    Layout,
    irrep_to_traceless,
    irreps_to_matrix,
    matrix_to_irreps,
    random_rotation,
    rotate,
    traceless_to_irrep,
)
from potentials.errors import LayoutError


def turned(tensors: torch.Tensor, rank: int, R: torch.Tensor) -> torch.Tensor:
    """Each of the axes before the channels turned by R."""
    for axis in range(-rank - 1, -1):
        tensors = torch.tensordot(tensors.movedim(axis, -1), R.T, dims=1).movedim(-1, axis)
    return tensors


@pytest.mark.parametrize(("formula", "layout"), [("ij", MATRIX), ("ij=ji", SYMMETRIC_MATRIX)], ids=["any", "symmetric"])
def test_matrices_have_the_blocks_of_e3nn(formula: str, layout: Layout) -> None:
    """A block is fixed up to its sign."""
    matrices = torch.randn(5, 3, 3)
    matrices = matrices + matrices.mT if formula == "ij=ji" else matrices
    expected = CartesianTensor(formula).from_cartesian(matrices)
    found = matrix_to_irreps(matrices.unsqueeze(-1), layout).squeeze(-1)
    for block in layout.slices():
        sign = torch.sign(found[0, block.start] * expected[0, block.start])
        torch.testing.assert_close(found[:, block], sign * expected[:, block], rtol=0, atol=1e-12)


def test_matrices_come_back() -> None:
    matrices = torch.randn(2, 5, 3, 3, 4)
    features = matrix_to_irreps(matrices)
    assert features.shape == (2, 5, 9, 4)
    torch.testing.assert_close(irreps_to_matrix(features), matrices, rtol=0, atol=1e-14)
    stress = matrices + matrices.transpose(2, 3)
    features = matrix_to_irreps(stress, SYMMETRIC_MATRIX)
    torch.testing.assert_close(irreps_to_matrix(features, SYMMETRIC_MATRIX), stress, rtol=0, atol=1e-14)
    torch.testing.assert_close(features.norm(), stress.norm())


def test_the_parts_of_a_matrix() -> None:
    matrix = torch.randn(3, 3, 1)
    plain = matrix[..., 0]
    trace = irreps_to_matrix(matrix_to_irreps(matrix, Layout([Irrep(0, 1)])), Layout([Irrep(0, 1)]))[..., 0]
    torch.testing.assert_close(trace, torch.eye(3) * plain.trace() / 3)
    antisymmetric = irreps_to_matrix(matrix_to_irreps(matrix, Layout([Irrep(1, 1)])), Layout([Irrep(1, 1)]))[..., 0]
    torch.testing.assert_close(antisymmetric, (plain - plain.T) / 2)


@pytest.mark.parametrize("inverted", [False, True])
def test_turned_matrices_are_turned_blocks(inverted: bool) -> None:
    matrices, R = torch.randn(5, 3, 3, 2), random_rotation()
    R = -R if inverted else R
    expected = rotate(matrix_to_irreps(matrices), MATRIX, R)
    torch.testing.assert_close(matrix_to_irreps(turned(matrices, 2, R)), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("degree", range(5))
def test_traceless_tensors(degree: int) -> None:
    """Symmetric, traceless, of the same norm, turning as their block does, and back again."""
    features, R = torch.randn(4, 2 * degree + 1, 2), -random_rotation()
    tensors = irrep_to_traceless(features, degree)
    assert tensors.shape == (4, *(3,) * degree, 2)
    torch.testing.assert_close(tensors.norm(), features.norm())
    torch.testing.assert_close(traceless_to_irrep(tensors, degree), features, rtol=0, atol=1e-13)
    for axis in range(1, degree):
        torch.testing.assert_close(tensors.transpose(axis, axis + 1), tensors, rtol=0, atol=1e-13)
        trace = tensors.diagonal(dim1=axis, dim2=axis + 1).sum(dim=-1)
        torch.testing.assert_close(trace, torch.zeros_like(trace), rtol=0, atol=1e-13)
    layout = Layout([Irrep(degree, (-1) ** degree)])
    expected = turned(tensors, degree, R)
    torch.testing.assert_close(irrep_to_traceless(rotate(features, layout, R), degree), expected, rtol=0, atol=1e-12)


def test_vectors_are_their_own_components() -> None:
    vectors = torch.randn(4, 3, 2)
    torch.testing.assert_close(traceless_to_irrep(vectors, 1), vectors, rtol=0, atol=1e-15)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(LayoutError, match=r"expected matrices \[..., 3, 3, channels\], got \[4, 3, 3\]"):
        matrix_to_irreps(torch.zeros(4, 3, 3))
    with pytest.raises(LayoutError, match=r"has the blocks 0e\+1e\+2e, not 1o, 3e"):
        irreps_to_matrix(torch.zeros(1, 10, 1), Layout([Irrep(1, -1), Irrep(3, 1)]))
    with pytest.raises(LayoutError, match=r"expected tensors \[..., 3, 3, channels\] for degree 2"):
        traceless_to_irrep(torch.zeros(3, 2), 2)
