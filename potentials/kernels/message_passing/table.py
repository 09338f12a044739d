"""Tables of message passing: couplings of sender blocks and harmonic blocks into receiver blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from potentials.kernels.tables import Table, content_key, registered


@dataclass(frozen=True, eq=False)
class MessagePath:
    """One coupling of a sender block with a harmonic block into a receiver block.

    `coefficients[a, b, d]` couples sender component `sender_start + a * sender_step`, harmonic component
    `harmonic_start + b` and receiver component `receiver_start + d * receiver_step`.
    """

    sender_start: int
    harmonic_start: int
    receiver_start: int
    receiver_step: int
    coefficients: np.ndarray
    sender_step: int = 1

    @property
    def senders(self) -> range:
        """Sender components."""
        return _steps(self.sender_start, self.sender_step, self.coefficients.shape[0])

    @property
    def harmonics(self) -> range:
        """Harmonic components."""
        return _steps(self.harmonic_start, 1, self.coefficients.shape[1])

    @property
    def receivers(self) -> range:
        """Receiver components."""
        return _steps(self.receiver_start, self.receiver_step, self.coefficients.shape[2])


def _steps(start: int, step: int, number: int) -> range:
    return range(start, start + step * number, step)


@dataclass(frozen=True, eq=False, repr=False)
class MessageTable(Table):
    """Terms of Q(h, Y, w, g) = sum_e sum_t C_t h[src_e, a_t, c] Y[e, b_t] w[e, p_t, c] g[dst_e, d_t, c].

    The terms t are grouped by path p: each path is one dense block of coefficients, most of them zero. Each receiver
    component belongs to exactly one path, so that kernels can write messages path by path.
    """

    sender_components: int
    harmonic_components: int
    receiver_components: int
    paths: tuple[MessagePath, ...]

    @classmethod
    def create(
        cls,
        sender_components: int,
        harmonic_components: int,
        receiver_components: int,
        paths: Sequence[MessagePath],
    ) -> MessageTable:
        """Create and register a table; equal content gives the same key in every process.

        Raises:
            ValueError: a receiver component belongs to no path or to several paths.
        """
        reached = [component for path in paths for component in path.receivers]
        if sorted(reached) != list(range(receiver_components)):
            raise ValueError(
                f"each of the {receiver_components} receiver components must be in one path, got {reached}"
            )
        sizes = np.array([sender_components, harmonic_components, receiver_components])
        parts: list[np.ndarray] = [sizes]
        for path in paths:
            starts = [path.sender_start, path.harmonic_start, path.receiver_start]
            parts += [np.array([*starts, path.receiver_step, path.sender_step]), path.coefficients]
        key = content_key("message", *parts)
        table = cls(key, sender_components, harmonic_components, receiver_components, tuple(paths))
        return registered(table)

    def terms(self) -> tuple[np.ndarray, np.ndarray]:
        """List the nonzero terms: indices [T, 4] (path, sender, harmonic, receiver component), coefficients [T]."""
        indices, coefficients = [], []
        for number, path in enumerate(self.paths):
            for a, b, d in np.argwhere(np.abs(path.coefficients) > 1e-12):
                indices.append((number, path.senders[a], path.harmonics[b], path.receivers[d]))
                coefficients.append(path.coefficients[a, b, d])
        return np.array(indices, dtype=np.int64).reshape(-1, 4), np.array(coefficients)
