"""The layout of a feature tensor: the irreps of its components, and their channels where these differ."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple


class Irrep(NamedTuple):
    """An irreducible representation of O(3) with degree l, 2l + 1 components, and parity under inversion."""

    degree: int
    """l >= 0."""
    parity: int
    """+1 or -1."""

    @property
    def dim(self) -> int:
        """2l + 1."""
        return 2 * self.degree + 1

    def products(self, other: Irrep) -> Iterator[Irrep]:
        """Yield the irreps of the tensor product with another irrep."""
        for degree in range(abs(self.degree - other.degree), self.degree + other.degree + 1):
            yield Irrep(degree, self.parity * other.parity)

    def __str__(self) -> str:
        return f"{self.degree}{'e' if self.parity > 0 else 'o'}"


class Layout(tuple[Irrep, ...]):
    """Ordered blocks of a feature tensor [nodes, components, channels]; all blocks have the same number of channels.

    `Layout.natural(L)` consists of the proper tensors up to degree L (parity (-1)^l): block l is components
    `l^2:(l+1)^2`, as in E3x. With pseudotensors, each layer of a network can reach more (degree, parity) pairs; blocks
    that are zero by symmetry are not stored.
    """

    @classmethod
    def natural(cls, degree: int) -> Layout:
        """Return the layout of proper tensors of degree 0 to `degree`."""
        return cls(Irrep(n, (-1) ** n) for n in range(degree + 1))

    @classmethod
    def full(cls, degree: int) -> Layout:
        """Return the layout of proper tensors and pseudotensors of degree 0 to `degree`, proper tensors first."""
        return cls(Irrep(n, sign * (-1) ** n) for n in range(degree + 1) for sign in (1, -1))

    @property
    def dim(self) -> int:
        """Number of components."""
        return sum(irrep.dim for irrep in self)

    @property
    def degree(self) -> int:
        """Highest degree of the blocks; 0 without blocks."""
        return max((irrep.degree for irrep in self), default=0)

    def joined(self, other: Layout) -> Layout:
        """Return the union of the blocks, sorted by degree, proper tensors first within a degree."""
        return Layout(sorted({*self, *other}, key=lambda irrep: (irrep.degree, irrep.parity != (-1) ** irrep.degree)))

    def slices(self) -> list[slice]:
        """Return the range of components of each block."""
        starts = [0]
        for irrep in self:
            starts.append(starts[-1] + irrep.dim)
        return [slice(start, stop) for start, stop in itertools.pairwise(starts)]

    def slice_of(self, irrep: Irrep) -> slice:
        """Return the range of components of a block.

        Raises:
            ValueError: the layout does not contain the block.
        """
        return self.slices()[self.index(irrep)]

    def __str__(self) -> str:
        return "+".join(str(irrep) for irrep in self)


class Blocks(tuple[tuple[Irrep, int], ...]):
    """Ordered blocks (irrep, copies) of a feature tensor whose blocks have different numbers of channels.

    A block has `copies` times the C channels of the tensor [nodes, rows, C]: it consists of [2l + 1, copies] rows, m
    outermost, so that the copies * C channels of each component are contiguous. Kernels couple copies like channels.
    With one copy of each block this is the tensor of the `Layout`.
    """

    @classmethod
    def one_each(cls, layout: Layout) -> Blocks:
        """Return the blocks of a layout with one copy each."""
        return cls((irrep, 1) for irrep in layout)

    @classmethod
    def of(cls, features: Layout | Blocks) -> Blocks:
        """Return the blocks of features that are described by either."""
        return features if isinstance(features, Blocks) else cls.one_each(features)

    @property
    def layout(self) -> Layout:
        """The irreps of the blocks."""
        return Layout(irrep for irrep, _ in self)

    @property
    def dim(self) -> int:
        """Number of rows."""
        return sum(irrep.dim * copies for irrep, copies in self)

    def copies(self, irrep: Irrep) -> int:
        """Return the number of copies of an irrep; 0 if there is no such block."""
        return dict(self).get(irrep, 0)

    def slices(self) -> list[slice]:
        """Return the range of rows of each block."""
        starts = [0, *itertools.accumulate(irrep.dim * copies for irrep, copies in self)]
        return [slice(start, stop) for start, stop in itertools.pairwise(starts)]

    def slice_of(self, irrep: Irrep) -> slice:
        """Return the range of rows of a block.

        Raises:
            ValueError: there is no such block.
        """
        return self.slices()[self.layout.index(irrep)]

    def __str__(self) -> str:
        return "+".join(str(irrep) if copies == 1 else f"{copies}x{irrep}" for irrep, copies in self)
