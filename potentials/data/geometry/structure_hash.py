"""A hash by which identical structures are found, whatever their labels."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


def structure_hash(
    numbers: NDArray[np.int64], positions: NDArray[np.float64], cell: NDArray[np.float64], pbc: NDArray[np.bool_]
) -> np.uint64:
    """The hash of a structure, the same for positions and cells that agree to 1e-6."""
    lengths = np.concatenate([positions, np.where(pbc[:, None], cell, 0.0)])
    with np.errstate(invalid="ignore"):  # what is not finite is complained of when the frame is used
        rounded = np.rint(lengths * 1e6).astype("<i8")
    digest = hashlib.blake2b(numbers.astype("<i8").tobytes(), digest_size=8)
    digest.update(rounded.tobytes())
    digest.update(pbc.tobytes())
    return np.frombuffer(digest.digest(), dtype="<u8")[0]
