"""Real spherical harmonics of unit vectors."""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
import torch
from torch import Tensor

from potentials.equivariant.couplings import wigner_3j
from potentials.kernels import HarmonicsTable


@cache
def harmonics_table(degree: int) -> HarmonicsTable:
    """Return the table of all harmonics up to a degree for `potentials.kernels.edge_geometry`."""
    return HarmonicsTable.create(degree, [_raising_coefficients(order) for order in range(2, degree + 1)])


def _raising_coefficients(degree: int) -> np.ndarray:
    """Compute the coefficients [2l - 1, 3, 2l + 1] that couple Y_{l-1} and Y_1 into Y_l.

    The projection of Y_{l-1} (x) Y_1 on degree l is proportional to Y_l; the factor follows from the normalization on
    the polar axis, where only m = 0 is nonzero.
    """
    coupling = wigner_3j(degree - 1, 1, degree)
    at_pole = coupling[degree - 1, 1, degree] * (2 * degree - 1) ** 0.5 * 3**0.5
    return coupling * ((2 * degree + 1) ** 0.5 / at_pole)


@lru_cache(maxsize=64)
def _raising(degree: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return the coefficients as a matrix [(2l - 1) * 3, 2l + 1]."""
    # This tensor is cached, and tensors created in inference mode cannot be used in training.
    with torch.inference_mode(False):
        return torch.from_numpy(_raising_coefficients(degree)).flatten(0, 1).to(device=device, dtype=dtype)


def spherical_harmonics(unit_vectors: Tensor, degree: int) -> Tensor:
    """Compute real spherical harmonics Y_lm of unit vectors for l = 0 to `degree`.

    Order and signs are those of e3nn, and sum_m Y_lm^2 = 2l + 1. Degree 1 is sqrt(3) (x, y, z); the polar axis is y.

    Args:
        unit_vectors: [E, 3].
        degree: highest degree.

    Returns:
        [E, (degree + 1)^2]; block l is `l^2:(l+1)^2`.
    """
    blocks = [unit_vectors.new_ones(unit_vectors.shape[0], 1)]
    if degree >= 1:
        first = 3**0.5 * unit_vectors
        blocks.append(first)
        for order in range(2, degree + 1):
            pairs = (blocks[-1].unsqueeze(2) * first.unsqueeze(1)).flatten(1)
            blocks.append(pairs @ _raising(order, unit_vectors.device, unit_vectors.dtype))
    return torch.cat(blocks, dim=1)
