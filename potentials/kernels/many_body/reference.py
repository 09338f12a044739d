"""The many-body product in plain PyTorch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from potentials.kernels.many_body.table import ManyBodyTable
from potentials.kernels.tables import lookup
from potentials.kernels.transforms import kept_constants

_CHUNK_ELEMENTS = 2**17


@kept_constants(256)
def _many_body_indices(key: str, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """Return the table as tensors on a device.

    These are the factors [correlation, T], a 0/1 matrix [M, T] that sums the terms of each output, and for each factor
    a 0/1 matrix [D, T] that sums the terms onto the components they contain (without the constant).
    """
    table = lookup(key)
    if not isinstance(table, ManyBodyTable):
        raise TypeError(f"{key} is not a many-body table")
    factors = torch.from_numpy(table.factors).T.contiguous()
    outputs = torch.nn.functional.one_hot(torch.from_numpy(table.output_of_term), table.outputs).T
    onto = tuple(
        torch.nn.functional.one_hot(factor, table.components + 1)[:, : table.components].T.to(device, dtype)
        for factor in factors
    )
    return factors.to(device), outputs.to(device, dtype), onto


class _ManyBody:
    """Factors and products shared by the many-body contractions."""

    def __init__(self, table: ManyBodyTable, A: Tensor) -> None:
        self.factors, self.outputs, self.onto = _many_body_indices(table.key, A.device, A.dtype)
        self.values = self.gather(A, 1.0)

    def gather(self, A: Tensor, constant: float) -> list[Tensor]:
        """Gather the value of each factor in every term, [N, T, C]; `constant` for terms with fewer factors."""
        extended = torch.cat([A, A.new_full((A.shape[0], 1, A.shape[2]), constant)], dim=1)
        return [extended.index_select(1, factor) for factor in self.factors]

    def product_without(self, *left_out: int) -> Tensor | None:
        """Multiply all factors except these; None for the empty product."""
        product: Tensor | None = None
        for position, value in enumerate(self.values):
            if position not in left_out:
                product = value if product is None else product * value
        return product

    def monomials(self) -> Tensor:
        """Multiply all factors, [N, T, C]."""
        return _product(self.product_without())

    def directional(self, v: Tensor) -> Tensor:
        """Compute the derivative of the monomials along v, [N, T, C]."""
        directions = self.gather(v, 0.0)
        return _total([_product(d, self.product_without(q)) for q, d in enumerate(directions)])

    def hessian_product(self, weights: Tensor, directions: list[Tensor]) -> Tensor:
        """Apply the Hessian of the weighted monomials to a gathered direction, [N, D, C]."""
        summands = []
        for q, onto in enumerate(self.onto):
            inner = [_product(d, self.product_without(q, other)) for other, d in enumerate(directions) if other != q]
            summands.append(onto @ (weights * _total(inner)))
        return _total(summands)


def _product(*factors: Tensor | None) -> Tensor:
    result: Tensor | None = None
    for factor in factors:
        if factor is not None:
            result = factor if result is None else result * factor
    if result is None:
        raise ValueError("an empty product has no shape")
    return result


def _total(summands: list[Tensor]) -> Tensor:
    result = summands[0]
    for summand in summands[1:]:
        result = result + summand
    return result


def _node_chunks(table: ManyBodyTable, A: Tensor, *others: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Split atoms into chunks whose monomials fit into the CPU cache: several times faster than all at once."""
    size = A.shape[0] if A.is_cuda else max(1, _CHUNK_ELEMENTS // max(1, table.num_terms * A.shape[2]))
    yield from zip(*(tensor.split(max(1, size)) for tensor in (A, *others)), strict=True)


def many_body(
    table: ManyBodyTable, A: Tensor, coefficients: Tensor, species: Tensor, order: Tensor | None = None
) -> Tensor:
    """Compute B [N, M, C]; `order` is not used."""
    results = []
    for a, z in _node_chunks(table, A, species):
        terms = _ManyBody(table, a)
        results.append(terms.outputs @ (terms.monomials() * coefficients.index_select(0, z)))
    return torch.cat(results)


def many_body_gradients(
    table: ManyBodyTable, A: Tensor, coefficients: Tensor, species: Tensor, order: Tensor, g: Tensor, wanted: str
) -> tuple[Tensor, Tensor]:
    """Compute d(g . B)/dA [N, D, C] and d(g . B)/d(coefficients) [S, T, C]; gradients not requested are empty."""
    slopes = [A.new_empty(0)]
    weights = torch.zeros_like(coefficients) if "k" in wanted else A.new_empty(0)
    if "A" in wanted:
        slopes = []
    for a, z, upstream in _node_chunks(table, A, species, g):
        terms = _ManyBody(table, a)
        onto_terms = terms.outputs.T @ upstream
        if "A" in wanted:
            weighted = coefficients.index_select(0, z) * onto_terms
            parts = [onto @ _product(weighted, terms.product_without(q)) for q, onto in enumerate(terms.onto)]
            slopes.append(_total(parts))
        if "k" in wanted:
            weights.index_add_(0, z, terms.monomials() * onto_terms)
    return torch.cat(slopes), weights


def many_body_tangents(
    table: ManyBodyTable,
    A: Tensor,
    coefficients: Tensor,
    species: Tensor,
    order: Tensor,
    g: Tensor,
    v: Tensor,
    wanted: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute derivatives along v of d(g . B)/dA (the Hessian applied to v), d(g . B)/d(coefficients) and B."""
    second, along = [], []
    weights = torch.zeros_like(coefficients) if "k" in wanted else A.new_empty(0)
    for a, z, upstream, direction in _node_chunks(table, A, species, g, v):
        terms = _ManyBody(table, a)
        onto_terms = terms.outputs.T @ upstream
        chosen = coefficients.index_select(0, z)
        if table.factors.shape[1] == 1:
            second.append(torch.zeros_like(a))
        else:
            second.append(terms.hessian_product(chosen * onto_terms, terms.gather(direction, 0.0)))
        slopes = terms.directional(direction)
        along.append(terms.outputs @ (slopes * chosen))
        if "k" in wanted:
            weights.index_add_(0, z, slopes * onto_terms)
    return torch.cat(second), weights, torch.cat(along)
