"""Channel-wise products of two feature tensors."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from potentials.equivariant.couplings import coupling_coefficients
from potentials.equivariant.layout import Irrep, Layout
from potentials.kernels import ManyBodyTable, many_body


class SummedTerms(NamedTuple):
    """Terms of products that are summed over paths."""

    table: ManyBodyTable
    """The terms, for the concatenation of both tensors."""
    coefficients: NDArray[np.float64]
    """[T]."""
    paths: NDArray[np.int64]
    """[T], number of the path of each term."""


class ProductCoupling:
    """All couplings of the blocks of two layouts into the irreps of a third layout, one path each.

    Attributes:
        paths: (block of the first layout, block of the second layout, irrep), sorted by irrep.
        blocks: number of paths of each reachable irrep; its components are `[2l + 1, paths]`, m outermost.
        table: the terms, for the concatenation of both tensors.
        coefficients: coefficients of the terms [T].
    """

    def __init__(self, first: Layout, second: Layout, wanted: Layout) -> None:
        self.first, self.second = first, second
        self.paths = tuple(
            (a, b, irrep) for irrep in wanted for a in first for b in second if irrep in tuple(a.products(b))
        )
        counted = [(irrep, sum(reached == irrep for *_, reached in self.paths)) for irrep in wanted]
        self.blocks = tuple((irrep, count) for irrep, count in counted if count)
        terms: list[tuple[int, int, int, float]] = []
        start, seen = 0, 0
        numbers = dict(self.blocks)
        for a, b, irrep in self.paths:
            coupling = coupling_coefficients(a.degree, b.degree, irrep.degree)
            for i, j, m in np.argwhere(np.abs(coupling) > 1e-12):
                output = start + int(m) * numbers[irrep] + seen
                left, right = first.slice_of(a).start + int(i), first.dim + second.slice_of(b).start + int(j)
                terms.append((output, left, right, coupling[i, j, m]))
            seen += 1
            if seen == numbers[irrep]:
                start, seen = start + irrep.dim * seen, 0
        terms.sort()
        columns = np.array([term[:3] for term in terms], dtype=np.int64).reshape(-1, 3)
        self.table = ManyBodyTable.create(first.dim + second.dim, start, columns[:, 1:], columns[:, 0])
        self.coefficients = np.array([term[3] for term in terms])

    @property
    def layout(self) -> Layout:
        """Layout of the reachable irreps."""
        return Layout(irrep for irrep, _ in self.blocks)

    def summed(self) -> SummedTerms:
        """Return the terms of the products summed over the paths to each irrep, with the components of `layout`."""
        terms: list[tuple[int, int, int, float, int]] = []
        for number, (a, b, irrep) in enumerate(self.paths):
            coupling = coupling_coefficients(a.degree, b.degree, irrep.degree)
            outputs, rows, columns = (self.layout.slice_of(irrep), self.first.slice_of(a), self.second.slice_of(b))
            for i, j, m in np.argwhere(np.abs(coupling) > 1e-12):
                left, right = rows.start + int(i), self.first.dim + columns.start + int(j)
                terms.append((outputs.start + int(m), left, right, coupling[i, j, m], number))
        terms.sort()
        indices = np.array([term[:3] for term in terms], dtype=np.int64).reshape(-1, 3)
        table = ManyBodyTable.create(self.first.dim + self.second.dim, self.layout.dim, indices[:, 1:], indices[:, 0])
        return SummedTerms(table, np.array([term[3] for term in terms]), np.array([term[4] for term in terms]))

    def paths_to(self, irrep: Irrep) -> int:
        """Return the number of paths to an irrep."""
        return dict(self.blocks).get(irrep, 0)


@cache
def product_coupling(first: Layout, second: Layout, wanted: Layout) -> ProductCoupling:
    """Return the coupling of two layouts into the irreps of `wanted` that they can reach."""
    return ProductCoupling(first, second, wanted)


class ChannelProduct(nn.Module):
    """z_{n,(l,p),m,c} = sum_{m1 m2} C^p_{m1 m2 m} x_{n,l1 m1,c} y_{n,l2 m2,c} for each path p.

    The coefficients C are those of `coupling_coefficients`, which preserve unit variance.

    Args:
        coupling: the paths.
    """

    coefficients: Tensor

    def __init__(self, coupling: ProductCoupling) -> None:
        super().__init__()
        self.table = coupling.table
        numbers = torch.tensor(coupling.coefficients, dtype=torch.get_default_dtype())
        self.register_buffer("coefficients", numbers, persistent=False)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Map x [N, first components, C] and y [N, second components, C] to [N, components of all paths, C]."""
        rows, channels = x.shape[0], x.shape[2]
        coefficients = self.coefficients[None, :, None].expand(1, -1, channels)
        one = torch.zeros(rows, dtype=torch.int64, device=x.device)
        order = torch.arange(rows, device=x.device)
        return many_body(self.table, torch.cat([x, y], dim=1), coefficients, one, order)


class WeightedChannelProduct(nn.Module):
    """z_{n,l m,c} = sum_p v_{p,c} sum_{m1 m2} C^p_{m1 m2 m} x_{n,l1 m1,c} y_{n,l2 m2,c}, summed over paths p to l.

    The coefficients C are those of `coupling_coefficients`; v is learned, initialized standard normal.

    Args:
        coupling: the paths.
        channels: number of channels c.
    """

    coefficients: Tensor
    path: Tensor

    def __init__(self, coupling: ProductCoupling, channels: int) -> None:
        super().__init__()
        terms = coupling.summed()
        self.table = terms.table
        self.weights = nn.Parameter(torch.randn(len(coupling.paths), channels))
        numbers = torch.tensor(terms.coefficients, dtype=torch.get_default_dtype())
        self.register_buffer("coefficients", numbers, persistent=False)
        self.register_buffer("path", torch.tensor(terms.paths), persistent=False)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Map x [N, first components, C] and y [N, second components, C] to [N, components, C]."""
        rows = x.shape[0]
        coefficients = (self.coefficients[:, None] * self.weights[self.path]).unsqueeze(0)
        one = torch.zeros(rows, dtype=torch.int64, device=x.device)
        order = torch.arange(rows, device=x.device)
        return many_body(self.table, torch.cat([x, y], dim=1), coefficients, one, order)
