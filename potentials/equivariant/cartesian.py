"""Conversion between features and Cartesian tensors: 3x3 matrices, and symmetric traceless tensors of any rank."""

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
"""The blocks of a 3x3 matrix: trace, antisymmetric component and symmetric traceless component."""
SYMMETRIC_MATRIX = Layout([Irrep(0, 1), Irrep(2, 1)])
"""The blocks of a symmetric 3x3 matrix such as a stress or a polarizability."""


@cache
def _matrix_basis(layout: Layout) -> np.ndarray:
    """Return orthonormal matrices [components, 3, 3], sorted by block."""
    unknown = [str(irrep) for irrep in layout if irrep not in MATRIX]
    if unknown:
        raise LayoutError(f"a 3x3 matrix has the blocks {MATRIX}, not {', '.join(unknown)}")
    return np.concatenate([np.moveaxis(coupling_coefficients(1, 1, irrep.degree), 2, 0) for irrep in layout])


@cache
def _traceless_basis(degree: int) -> np.ndarray:
    """Construct orthonormal symmetric traceless tensors [2 l + 1, 3, ..., 3] by coupling vectors one by one."""
    basis = np.ones(1)
    for rank in range(1, degree + 1):
        stretched = coupling_coefficients(rank - 1, 1, rank)
        basis = np.einsum("a...,aim->m...i", basis, stretched)
    return basis


def _like(basis: np.ndarray, tensor: Tensor) -> Tensor:
    return torch.from_numpy(basis).to(tensor)


def matrix_to_irreps(matrices: Tensor, layout: Layout = MATRIX) -> Tensor:
    """Decompose 3x3 matrices M -> R M R^T into blocks: x_m = sum_ij B^m_ij M_ij with orthonormal B.

    The norm is preserved.

    Args:
        matrices: [..., 3, 3, channels].
        layout: the output blocks, of 0e (trace / sqrt(3)), 1e (antisymmetric) and 2e (symmetric traceless);
            `SYMMETRIC_MATRIX` is complete for symmetric matrices.

    Returns:
        Features [..., components, channels].

    Raises:
        LayoutError: the input does not consist of 3x3 matrices, or the layout has blocks that matrices do not have.
    """
    if matrices.dim() < 3 or matrices.shape[-3:-1] != (3, 3):
        raise LayoutError(f"expected matrices [..., 3, 3, channels], got {list(matrices.shape)}")
    return torch.einsum("mij,...ijc->...mc", _like(_matrix_basis(layout), matrices), matrices)


def irreps_to_matrix(features: Tensor, layout: Layout = MATRIX) -> Tensor:
    """Compose 3x3 matrices from their blocks: M_ij = sum_m x_m B^m_ij, the inverse of `matrix_to_irreps`.

    Args:
        features: [..., components, channels].
        layout: blocks of the features; missing blocks are taken as zero.

    Returns:
        Matrices [..., 3, 3, channels].

    Raises:
        LayoutError: the features do not have the components of the layout, or the layout has blocks that matrices do
            not have.
    """
    check_components(features, layout)
    return torch.einsum("mij,...mc->...ijc", _like(_matrix_basis(layout), features), features)


def traceless_to_irrep(tensors: Tensor, degree: int) -> Tensor:
    """Convert symmetric traceless tensors of rank l to features of one block of degree l and parity (-1)^l.

    Args:
        tensors: [..., 3, ..., 3, channels] with `degree` axes of length 3; components that are not symmetric traceless
            are ignored.
        degree: l; tensors of degree 1 are vectors.

    Returns:
        Features [..., 2 l + 1, channels] of the same norm.

    Raises:
        LayoutError: the tensors have a different rank.
    """
    if tensors.dim() < degree + 1 or tensors.shape[-degree - 1 : -1] != (3,) * degree:
        raise LayoutError(
            f"expected tensors [..., {'3, ' * degree}channels] for degree {degree}, got {list(tensors.shape)}"
        )
    basis = _like(_traceless_basis(degree), tensors).reshape(2 * degree + 1, 3**degree)
    flat = tensors.reshape(*tensors.shape[: tensors.dim() - degree - 1], 3**degree, tensors.shape[-1])
    return basis @ flat


def irrep_to_traceless(features: Tensor, degree: int) -> Tensor:
    """Convert a block of degree l to symmetric traceless tensors of rank l, the inverse of `traceless_to_irrep`.

    Args:
        features: [..., 2 l + 1, channels].
        degree: l.

    Returns:
        Tensors [..., 3, ..., 3, channels] with `degree` axes of length 3.

    Raises:
        LayoutError: the features do not have 2 l + 1 components.
    """
    check_components(features, Layout([Irrep(degree, (-1) ** degree)]))
    basis = _like(_traceless_basis(degree), features).reshape(2 * degree + 1, 3**degree)
    flat = basis.T @ features
    return flat.reshape(*features.shape[:-2], *(3,) * degree, features.shape[-1])
