"""Coupling coefficients (from e3nn) and the message-passing tables made of them."""

from __future__ import annotations

import itertools
import math
from functools import cache
from importlib.metadata import version

import numpy as np

from potentials.cache import cache_path, keep, kept
from potentials.equivariant.layout import Irrep, Layout
from potentials.kernels import MessagePath, MessageTable


@cache
def wigner_3j(degree_1: int, degree_2: int, degree_3: int) -> np.ndarray:
    """e3nn's real Wigner 3j tensor [2 l1 + 1, 2 l2 + 1, 2 l3 + 1] in float64; its squares sum to one.

    For three degrees with an odd sum the overall sign depends on the release of e3nn; see `coupling_fingerprint`.
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
    # Imported here: e3nn takes seconds to import, and most commands need no new tensor.
    import torch

    # The numbers are needed, also while a model is built on the device without memory.
    with torch.device("cpu"):
        from e3nn import o3

        return o3.wigner_3j(degree_1, degree_2, degree_3, dtype=torch.float64).numpy()


def coupling_coefficients(degree_1: int, degree_2: int, degree_3: int) -> np.ndarray:
    """sqrt(2 l3 + 1) times the Wigner 3j tensor: couples unit-variance components into unit-variance components."""
    return math.sqrt(2 * degree_3 + 1) * wigner_3j(degree_1, degree_2, degree_3)


class MessageCoupling:
    """Which messages exist between a feature layout and spherical harmonics, and the table that computes them.

    Attributes:
        paths: (sender irrep, harmonic degree, receiver irrep) of each path; the radial network makes one weight per
            path and channel, in this order: sorted by receiver block, then sender block, then harmonic degree.
        blocks: for each receiver irrep that is reached, its number of paths. In the summed message the block of that
            irrep is `[2l + 1, paths]` components, m outermost, so that mixing the paths is one matrix product.
        table: for `potentials.kernels.message_sum`.
    """

    def __init__(self, sender: Layout, edge_degree: int, receiver: Layout) -> None:
        paths = [
            (source, degree, target)
            for target in receiver
            for source in sender
            for degree in range(edge_degree + 1)
            if target in source.products(Irrep(degree, (-1) ** degree))
        ]
        self.paths = tuple(paths)
        reached = [(irrep, sum(target == irrep for _, _, target in paths)) for irrep in receiver]
        self.blocks = tuple((irrep, count) for irrep, count in reached if count)
        self.table = self._table(sender, edge_degree)

    @property
    def layout(self) -> Layout:
        """The receiver irreps that are reached."""
        return Layout(irrep for irrep, _ in self.blocks)

    def block_slices(self) -> list[slice]:
        """Components of the summed message that belong to each receiver irrep."""
        starts = np.cumsum([0, *(irrep.dim * count for irrep, count in self.blocks)]).tolist()
        return [slice(start, stop) for start, stop in itertools.pairwise(starts)]

    def _table(self, sender: Layout, edge_degree: int) -> MessageTable:
        counts = dict(self.blocks)
        starts = {irrep: s.start for (irrep, _), s in zip(self.blocks, self.block_slices(), strict=True)}
        seen = dict.fromkeys(counts, 0)
        paths = []
        for source, degree, target in self.paths:
            coefficients = coupling_coefficients(source.degree, degree, target.degree)
            sender_start, receiver_start = sender.slice_of(source).start, starts[target] + seen[target]
            paths.append(MessagePath(sender_start, degree**2, receiver_start, counts[target], coefficients))
            seen[target] += 1
        size = sum(irrep.dim * count for irrep, count in self.blocks)
        return MessageTable.create(sender.dim, (edge_degree + 1) ** 2, size, paths)


@cache
def message_table(sender: Layout, edge_degree: int, receiver: Layout) -> MessageCoupling:
    """The coupling of sender features with harmonics up to `edge_degree` into those irreps of `receiver` it reaches."""
    return MessageCoupling(sender, edge_degree, receiver)


def coupling_fingerprint(degree: int) -> str:
    """Signs of all coupling tensors up to a degree, as text.

    Weights only mean something together with these signs, so model files carry them: releases of e3nn differ in the
    sign of some tensors whose degrees add up to an odd number.
    """
    signs = []
    for l1 in range(degree + 1):
        for l2 in range(degree + 1):
            for l3 in range(abs(l1 - l2), min(l1 + l2, degree) + 1):
                tensor = wigner_3j(l1, l2, l3).ravel()
                signs.append("+" if tensor[np.abs(tensor) > 1e-9][0] > 0 else "-")
    return "".join(signs)
