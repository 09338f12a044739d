"""Coupling coefficients (from e3nn) and message-passing tables."""

from __future__ import annotations

import math
from functools import cache
from importlib.metadata import version

import numpy as np

from potentials.cache import cache_path, keep, kept
from potentials.equivariant.layout import Blocks, Irrep, Layout
from potentials.kernels import MessagePath, MessageTable


@cache
def wigner_3j(degree_1: int, degree_2: int, degree_3: int) -> np.ndarray:
    """Return e3nn's real Wigner 3j tensor [2 l1 + 1, 2 l2 + 1, 2 l3 + 1] in float64; its squares sum to one.

    If the sum of the degrees is odd, the overall sign depends on the release of e3nn; see `coupling_fingerprint`.
    """
    shape = (2 * degree_1 + 1, 2 * degree_2 + 1, 2 * degree_3 + 1)
    path = cache_path("couplings") / f"e3nn-{version('e3nn')}" / f"{degree_1}-{degree_2}-{degree_3}"
    content = kept(path)
    if content is not None and len(content) == 8 * math.prod(shape):
        return np.frombuffer(content, dtype="<f8").reshape(shape).copy()
    tensor = _wigner_3j_of_e3nn(degree_1, degree_2, degree_3)
    keep(path, tensor.astype("<f8").tobytes())
    return tensor


def _wigner_3j_of_e3nn(degree_1: int, degree_2: int, degree_3: int) -> np.ndarray:
    # Imported here, because importing e3nn takes seconds and most commands need no new tensor.
    import torch

    # The values are needed even while a model is built on the meta device.
    with torch.device("cpu"):
        from e3nn import o3

        return o3.wigner_3j(degree_1, degree_2, degree_3, dtype=torch.float64).numpy()


def coupling_coefficients(degree_1: int, degree_2: int, degree_3: int) -> np.ndarray:
    """Return sqrt(2 l3 + 1) times the Wigner 3j tensor [2 l1 + 1, 2 l2 + 1, 2 l3 + 1], in float64.

    The coupling of components of unit variance has components of unit variance. Signs are those of the installed e3nn.
    """
    return math.sqrt(2 * degree_3 + 1) * wigner_3j(degree_1, degree_2, degree_3)


class MessageCoupling:
    """All couplings of a feature layout with spherical harmonics into receiver irreps, and the table of the messages.

    Attributes:
        paths: (sender irrep, harmonic degree, receiver irrep) of each path; the radial network has one weight per path
            and channel of the sender block, in this order: sorted by receiver block, then sender block, then harmonic
            degree.
        copies: copies of the sender block of each path, each of which is a path of the table.
        blocks: the reachable receiver irreps with their number of paths times copies. In the summed message the block
            of that irrep has `[2l + 1, paths]` rows, m outermost, so that mixing the paths is one matrix product.
        table: table for `potentials.kernels.message_sum`.
    """

    def __init__(self, sender: Blocks, edge_degree: int, receiver: Layout, has_parity: bool = True) -> None:
        self.has_parity = has_parity
        paths = [
            (source, degree, target)
            for target in receiver
            for source in sender.layout
            for degree in range(edge_degree + 1)
            if target in source.products(self.harmonic(degree))
        ]
        self.paths = tuple(paths)
        self.copies = tuple(sender.copies(source) for source, _, _ in paths)
        counts = dict.fromkeys(receiver, 0)
        for (_, _, target), copies in zip(self.paths, self.copies, strict=True):
            counts[target] += copies
        self.blocks = Blocks((irrep, count) for irrep, count in counts.items() if count)
        self.table = self._table(sender, edge_degree)

    @property
    def layout(self) -> Layout:
        """Layout of the reachable receiver irreps."""
        return self.blocks.layout

    def harmonic(self, degree: int) -> Irrep:
        """Return the irrep of the harmonics of a degree."""
        return Irrep(degree, (-1) ** degree if self.has_parity else 1)

    def degrees(self) -> list[int]:
        """Return the harmonic degree of each path of the table."""
        return [degree for (_, degree, _), copies in zip(self.paths, self.copies, strict=True) for _ in range(copies)]

    def _table(self, sender: Blocks, edge_degree: int) -> MessageTable:
        next_row = {irrep: rows.start for (irrep, _), rows in zip(self.blocks, self.blocks.slices(), strict=True)}
        paths = []
        for (source, degree, target), copies in zip(self.paths, self.copies, strict=True):
            coefficients = coupling_coefficients(source.degree, degree, target.degree)
            start, step = sender.slice_of(source).start, self.blocks.copies(target)
            for copy in range(copies):
                paths.append(MessagePath(start + copy, degree**2, next_row[target], step, coefficients, copies))
                next_row[target] += 1
        return MessageTable.create(sender.dim, (edge_degree + 1) ** 2, self.blocks.dim, paths)


@cache
def message_table(
    sender: Layout | Blocks, edge_degree: int, receiver: Layout, has_parity: bool = True
) -> MessageCoupling:
    """Return the coupling of sender features with spherical harmonics into receiver irreps.

    Args:
        sender: blocks of the sender features.
        edge_degree: highest degree of the spherical harmonics.
        receiver: requested irreps; those that no path reaches are left out.
        has_parity: whether harmonics have parity (-1)^l; otherwise all irreps must be even, and the couplings are
            equivariant under rotations only.
    """
    return MessageCoupling(Blocks.of(sender), edge_degree, receiver, has_parity)


def coupling_fingerprint(degree: int) -> str:
    """Return the signs of all coupling tensors up to a degree as text.

    Weights are only valid together with these signs, so model files contain them: releases of e3nn differ in the sign
    of some tensors whose degrees have an odd sum.
    """
    signs = []
    for l1 in range(degree + 1):
        for l2 in range(degree + 1):
            for l3 in range(abs(l1 - l2), min(l1 + l2, degree) + 1):
                tensor = wigner_3j(l1, l2, l3).ravel()
                signs.append("+" if tensor[np.abs(tensor) > 1e-9][0] > 0 else "-")
    return "".join(signs)
