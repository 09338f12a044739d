"""Heights of cells against closed forms."""

import numpy as np
import pytest

from potentials.data.geometry import heights


@pytest.mark.parametrize(
    ("cell", "periodic", "expected"),
    [
        (np.diag([2.0, 3.0, 4.0]), [True] * 3, [2, 3, 4]),
        ([[2, 0, 0], [2, 2, 0], [0, 0, 5]], [True] * 3, [2**0.5, 2, 5]),
        ([[0, 0, 0], [0, 0, 0], [5, 0, 0]], [False, False, True], [5]),
        ([[2, 0, 0], [2, 2, 0], [9, 9, 9]], [True, True, False], [2**0.5, 2]),
    ],
)
def test_heights(cell, periodic, expected):
    assert heights(np.array(cell, dtype=float), np.array(periodic)) == pytest.approx(expected)
