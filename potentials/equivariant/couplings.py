"""Coupling coefficients (from e3nn) and message-passing tables."""

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
            and channel, in this order: sorted by receiver block, then sender block, then harmonic degree.
        blocks: number of paths of each reachable receiver irrep. In the summed message the block of that irrep has
            `[2l + 1, paths]` components, m outermost, so that mixing the paths is one matrix product.
        table: table for `potentials.kernels.message_sum`.
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
        """Layout of the reachable receiver irreps."""
        return Layout(irrep for irrep, _ in self.blocks)

    def block_slices(self) -> list[slice]:
        """Return the components of the summed message that belong to each receiver irrep."""
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
    """Return the coupling of sender features with spherical harmonics into receiver irreps.

    Args:
        sender: blocks of the sender features.
        edge_degree: highest degree of the spherical harmonics.
        receiver: requested irreps; those that no path reaches are left out.
    """
    return MessageCoupling(sender, edge_degree, receiver)


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
