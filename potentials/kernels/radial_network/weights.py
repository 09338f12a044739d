"""How the matrices of a radial network lie in its weight."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from torch import Tensor


def perceptron_matrices(weight: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    """The matrices [F_k, F_{k+1}] of a perceptron's layers, views of its weight [K]."""
    shapes = list(itertools.pairwise(sizes))
    parts = weight.split([rows * columns for rows, columns in shapes])
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]
