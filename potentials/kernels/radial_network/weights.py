"""Matrices of a radial network as views of its weight."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from torch import Tensor


def perceptron_matrices(weight: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    """Return the matrices [F_k, F_{k+1}] of the layers of a perceptron as views of its weight [K]."""
    shapes = list(itertools.pairwise(sizes))
    parts = weight.split([rows * columns for rows, columns in shapes])
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]
