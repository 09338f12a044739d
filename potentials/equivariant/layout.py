"""The layout of a feature tensor: the irreps of its components."""

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
