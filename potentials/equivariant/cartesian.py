"""Cartesian tensors as features, and back: vectors, 3x3 matrices, and symmetric traceless tensors of any rank."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from potentials.equivariant.couplings import coupling_coefficients
from potentials.equivariant.layout import Irrep, Layout
from potentials.equivariant.layout_changes import check_components
from potentials.errors import LayoutError

MATRIX = Layout([Irrep(0, 1), Irrep(1, 1), Irrep(2, 1)])
"""The blocks of a 3x3 matrix: its trace, its antisymmetric and its symmetric traceless part."""
SYMMETRIC_MATRIX = Layout([Irrep(0, 1), Irrep(2, 1)])
"""The blocks of a symmetric 3x3 matrix such as a stress or a polarizability."""


@cache
def _matrix_basis(layout: Layout) -> np.ndarray:
    """Orthonormal matrices [components, 3, 3], those of each block in turn."""
    unknown = [str(irrep) for irrep in layout if irrep not in MATRIX]
    if unknown:
        raise LayoutError(f"a 3x3 matrix has the blocks {MATRIX}, not {', '.join(unknown)}")
    return np.concatenate([np.moveaxis(coupling_coefficients(1, 1, irrep.degree), 2, 0) for irrep in layout])


@cache
def _traceless_basis(degree: int) -> np.ndarray:
    """Orthonormal symmetric traceless tensors [2 l + 1, 3, ..., 3], by coupling one vector after the other."""
    basis = np.ones(1)
    for rank in range(1, degree + 1):
        stretched = coupling_coefficients(rank - 1, 1, rank)
        basis = np.einsum("a...,aim->m...i", basis, stretched)
    return basis


def _like(basis: np.ndarray, tensor: Tensor) -> Tensor:
    return torch.from_numpy(basis).to(tensor)


def matrix_to_irreps(matrices: Tensor, layout: Layout = MATRIX) -> Tensor:
    """The blocks of 3x3 matrices M -> R M R^T: x_m = sum_ij B^m_ij M_ij with orthonormal B, so that norms are kept.

    Args:
        matrices: [..., 3, 3, channels].
        layout: the wanted blocks, of 0e (trace / sqrt(3)), 1e (antisymmetric part) and 2e (symmetric traceless part);
            `SYMMETRIC_MATRIX` loses nothing of a symmetric matrix.

    Returns:
        [..., components, channels].

    Raises:
        LayoutError: these are no 3x3 matrices, or matrices have no such block.
    """
    if matrices.dim() < 3 or matrices.shape[-3:-1] != (3, 3):
        raise LayoutError(f"expected matrices [..., 3, 3, channels], got {list(matrices.shape)}")
    return torch.einsum("mij,...ijc->...mc", _like(_matrix_basis(layout), matrices), matrices)


def irreps_to_matrix(features: Tensor, layout: Layout = MATRIX) -> Tensor:
    """3x3 matrices [..., 3, 3, channels] of their blocks [..., components, channels]: M_ij = sum_m x_m B^m_ij, the
    inverse of `matrix_to_irreps`. Blocks that the layout lacks are taken as zero.

    Raises:
        LayoutError: the features do not have the layout's components, or matrices have no such block.
    """
    check_components(features, layout)
    return torch.einsum("mij,...mc->...ijc", _like(_matrix_basis(layout), features), features)


def traceless_to_irrep(tensors: Tensor, degree: int) -> Tensor:
    """The components of symmetric traceless tensors of rank l, which are one block of degree l and parity (-1)^l.

    Args:
        tensors: [..., 3, ..., 3, channels] with `degree` axes of length 3; any other parts of them are left out.
        degree: l; for 1 these are vectors.

    Returns:
        [..., 2 l + 1, channels], of the same norm.

    Raises:
        LayoutError: the tensors are of another rank.
    """
    if tensors.dim() < degree + 1 or tensors.shape[-degree - 1 : -1] != (3,) * degree:
        raise LayoutError(
            f"expected tensors [..., {'3, ' * degree}channels] for degree {degree}, got {list(tensors.shape)}"
        )
    basis = _like(_traceless_basis(degree), tensors).reshape(2 * degree + 1, 3**degree)
    flat = tensors.reshape(*tensors.shape[: tensors.dim() - degree - 1], 3**degree, tensors.shape[-1])
    return basis @ flat


def irrep_to_traceless(features: Tensor, degree: int) -> Tensor:
    """Symmetric traceless tensors [..., 3, ..., 3, channels] of rank l of a block [..., 2 l + 1, channels]; the inverse
    of `traceless_to_irrep`.

    Raises:
        LayoutError: the features have not 2 l + 1 components.
    """
    check_components(features, Layout([Irrep(degree, (-1) ** degree)]))
    basis = _like(_traceless_basis(degree), features).reshape(2 * degree + 1, 3**degree)
    flat = basis.T @ features
    return flat.reshape(*features.shape[:-2], *(3,) * degree, features.shape[-1])
