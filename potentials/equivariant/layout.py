"""The layout of a feature tensor: which irreducible blocks its components are."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple


class Irrep(NamedTuple):
    """An irreducible representation of O(3): a degree l with 2l + 1 components, and a parity under inversion."""

    degree: int
    """l, from 0."""
    parity: int
    """+1 or -1."""

    @property
    def dim(self) -> int:
        """2l + 1."""
        return 2 * self.degree + 1

    def products(self, other: Irrep) -> Iterator[Irrep]:
        """The irreps their tensor product decomposes into."""
        for degree in range(abs(self.degree - other.degree), self.degree + other.degree + 1):
            yield Irrep(degree, self.parity * other.parity)

    def __str__(self) -> str:
        return f"{self.degree}{'e' if self.parity > 0 else 'o'}"


class Layout(tuple[Irrep, ...]):
    """Blocks of a feature tensor [nodes, components, channels], in order; every block has the same channels.

    `Layout.natural(L)` holds the proper tensors up to degree L (parity (-1)^l): block l is components `l^2:(l+1)^2`,
    E3x's layout. With pseudotensors a network reaches more (degree, parity) pairs, layer by layer; blocks that
    symmetry leaves at zero are not stored.
    """

    @classmethod
    def natural(cls, degree: int) -> Layout:
        """Proper tensors of degree 0 to `degree`."""
        return cls(Irrep(n, (-1) ** n) for n in range(degree + 1))

    @classmethod
    def full(cls, degree: int) -> Layout:
        """Proper tensors and pseudotensors of degree 0 to `degree`, the proper ones first within a degree."""
        return cls(Irrep(n, sign * (-1) ** n) for n in range(degree + 1) for sign in (1, -1))

    @property
    def dim(self) -> int:
        """Number of components."""
        return sum(irrep.dim for irrep in self)

    @property
    def degree(self) -> int:
        """Highest degree of its blocks; 0 for none."""
        return max((irrep.degree for irrep in self), default=0)

    def joined(self, other: Layout) -> Layout:
        """The blocks of either, by degree, the proper ones first within a degree."""
        return Layout(sorted({*self, *other}, key=lambda irrep: (irrep.degree, irrep.parity != (-1) ** irrep.degree)))

    def slices(self) -> list[slice]:
        """Where each block stands among the components."""
        starts = [0]
        for irrep in self:
            starts.append(starts[-1] + irrep.dim)
        return [slice(start, stop) for start, stop in itertools.pairwise(starts)]

    def slice_of(self, irrep: Irrep) -> slice:
        """Where this block stands; `ValueError` if it is not there."""
        return self.slices()[self.index(irrep)]

    def __str__(self) -> str:
        return "+".join(str(irrep) for irrep in self)
