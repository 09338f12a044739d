"""Invariant products of several features from different channels: the basis of the atomic cluster expansion."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from potentials.equivariant.couplings import coupling_coefficients

MAX_ORDER = 4
"""Highest number of factors of a product."""


class Factor(NamedTuple):
    """One factor of a product: the block of a degree in one channel."""

    degree: int
    channel: int


class Invariant(NamedTuple):
    """One invariant product: its factors in ascending order, and the degree of the intermediate coupling.

    With four factors, the first two and the last two are both coupled to degree `intermediate`; with three, the first
    two are coupled to the degree of the third.
    """

    factors: tuple[Factor, ...]
    intermediate: int


def invariants(
    factors: Sequence[Factor], order: int, allowed: Callable[[tuple[Factor, ...]], bool]
) -> Iterator[Invariant]:
    """Generate all linearly independent products of `order` factors that are invariant under O(3).

    Factors are proper tensors, of parity (-1)^degree.

    Args:
        factors: factors to choose from, each any number of times.
        order: number of factors, 1 to 4.
        allowed: predicate of a sequence of one to `order` factors in ascending order, to exclude products. If it is
            false for a sequence, it must be false for every product that starts with this sequence.

    Returns:
        An iterator over the products in ascending order of their factors.

    Raises:
        ValueError: `order` is less than 1 or more than 4.
    """
    if not 1 <= order <= MAX_ORDER:
        raise ValueError(f"order: expected 1 to {MAX_ORDER} factors, got {order}")
    return _independent_products(sorted(factors), order, allowed)


def _independent_products(
    factors: list[Factor], order: int, allowed: Callable[[tuple[Factor, ...]], bool]
) -> Iterator[Invariant]:
    for product in _products(factors, order, allowed):
        names = {factor: name for name, factor in enumerate(dict.fromkeys(product))}
        degrees = tuple(factor.degree for factor in product)
        for degree in _intermediates(degrees, tuple(names[factor] for factor in product)):
            yield Invariant(product, degree)


def _products(
    factors: list[Factor], order: int, allowed: Callable[[tuple[Factor, ...]], bool], chosen: tuple[Factor, ...] = ()
) -> Iterator[tuple[Factor, ...]]:
    if len(chosen) == order:
        yield chosen
        return
    for position, factor in enumerate(factors):
        grown = (*chosen, factor)
        if allowed(grown):
            yield from _products(factors[position:], order, allowed, grown)


@cache
def _intermediates(degrees: tuple[int, ...], names: tuple[int, ...]) -> tuple[int, ...]:
    """Return the degrees of the intermediate coupling that give independent invariants.

    Args:
        degrees: degrees of the factors.
        names: labels of the factors; equal factors, for which some couplings vanish or depend on others, have the same.
    """
    if sum(degrees) % 2:
        return ()
    if len(degrees) == 1:
        return (0,) if degrees == (0,) else ()
    if len(degrees) == 2:
        return (0,) if degrees[0] == degrees[1] else ()
    lowest, highest = abs(degrees[0] - degrees[1]), degrees[0] + degrees[1]
    if len(degrees) == 3:
        return (degrees[2],) if lowest <= degrees[2] <= highest else ()
    lowest, highest = max(lowest, abs(degrees[2] - degrees[3])), min(highest, degrees[2] + degrees[3])
    candidates = range(lowest, highest + 1)
    if len(set(names)) == len(names):
        return tuple(candidates)
    return _independent(degrees, names, candidates)


def _independent(degrees: tuple[int, ...], names: tuple[int, ...], candidates: Sequence[int]) -> tuple[int, ...]:
    """Select the candidates that are not linear combinations of earlier ones, by their values for random factors."""
    random = np.random.default_rng(0)
    values = {name: random.normal(size=(40, 2 * degree + 1)) for name, degree in zip(names, degrees, strict=True)}
    a, b, c, d = (values[name] for name in names)
    kept: list[int] = []
    basis = np.zeros((len(a), 0))
    for degree in candidates:
        first = np.einsum("na,nb,abm->nm", a, b, coupling_coefficients(degrees[0], degrees[1], degree))
        second = np.einsum("na,nb,abm->nm", c, d, coupling_coefficients(degrees[2], degrees[3], degree))
        column = (first * second).sum(axis=1)
        rest = column - basis @ (basis.T @ column)
        size = float(np.linalg.norm(rest))
        if size > 1e-6 * max(float(np.linalg.norm(column)), 1.0):
            kept.append(degree)
            basis = np.column_stack([basis, rest / size])
    return tuple(kept)


@dataclass
class _Pairs:
    """Products of two factors of given degrees: their channels and the degrees to which they are coupled."""

    channels: dict[tuple[int, int], int] = field(default_factory=dict)
    """Position of each pair of channels."""
    degrees: set[int] = field(default_factory=set)

    def add(self, first: Factor, second: Factor, degree: int) -> int:
        """Add a product if it is new; return its position."""
        self.degrees.add(degree)
        return self.channels.setdefault((first.channel, second.channel), len(self.channels))


Degrees = tuple[int, int]


class _Group(NamedTuple):
    """Products of the same form: scalar products of features or of pairs with these degrees, coupled to one degree."""

    first: int | Degrees
    second: int | Degrees | None
    """None for products of one factor."""
    degree: int


class InvariantProducts(nn.Module):
    """Invariant products of features [N, (L + 1)^2, C] of proper tensors, L the highest degree.

    A product of one factor is a_00, and

        order 2:  sum_m a_lm b_lm / sqrt(2l + 1)
        order 3:  sum_M (a x b)_LM c_LM / sqrt(2L + 1),             L the degree of c,
        order 4:  sum_M (a x b)_LM (c x d)_LM / sqrt(2L + 1)

    with (a x b)_L coupled by `coupling_coefficients`. Products of pairs are shared. Only plain PyTorch operations are
    used, so all differentiation modes work.

    Args:
        products: the products, for example those of `invariants`.
    """

    def __init__(self, products: Sequence[Invariant]) -> None:
        super().__init__()
        self.size = len(products)
        """Number of products, K."""
        orders = [len(product.factors) for product in products]
        self.counts = tuple(orders.count(order) for order in range(1, max(orders, default=0) + 1))
        """Number of products of one factor, of two, and so on."""
        pairs: dict[Degrees, _Pairs] = defaultdict(_Pairs)
        members: dict[_Group, list[tuple[int, int]]] = defaultdict(list)
        numbers: dict[_Group, list[int]] = defaultdict(list)
        for number, product in enumerate(products):
            group, places = _group(pairs, product)
            members[group].append(places)
            numbers[group].append(number)
        self._pair_degrees = sorted(pairs)
        self._slices: dict[tuple[Degrees, int], slice] = {}
        for degrees in self._pair_degrees:
            self._add_pairs(degrees, pairs[degrees])
        self._groups = list(members)
        for position, group in enumerate(self._groups):
            self._constant(f"group_{position}", np.array(members[group]).T)
        order = [number for group in self._groups for number in numbers[group]]
        self._constant("order", np.argsort(np.array(order, dtype=np.int64)))

    def _add_pairs(self, degrees: Degrees, pairs: _Pairs) -> None:
        a, b = degrees
        couplings, start = [], 0
        for degree in sorted(pairs.degrees):
            couplings.append(coupling_coefficients(a, b, degree).reshape(-1, 2 * degree + 1).T)
            self._slices[degrees, degree] = slice(start, start := start + 2 * degree + 1)
        self._constant(f"coupling_{a}_{b}", np.concatenate(couplings))
        self._constant(f"channels_{a}_{b}", np.array(list(pairs.channels)).T)

    def _constant(self, name: str, values: np.ndarray) -> None:
        dtype = torch.get_default_dtype() if values.dtype.kind == "f" else torch.int64
        self.register_buffer(name, torch.tensor(values, dtype=dtype), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Map features [N, (L + 1)^2, C] to products [N, K]."""
        pairs = {degrees: self._pair(features, *degrees) for degrees in self._pair_degrees}

        def operand(which: int | Degrees, degree: int) -> Tensor:
            return _block(features, which) if isinstance(which, int) else pairs[which][:, self._slices[which, degree]]

        results = []
        for position, group in enumerate(self._groups):
            places = self.get_buffer(f"group_{position}")
            first = operand(group.first, group.degree).index_select(2, places[0])
            if group.second is not None:
                second = operand(group.second, group.degree).index_select(2, places[1])
                first = first * second * (2 * group.degree + 1) ** -0.5
            results.append(first.sum(dim=1))
        return torch.cat(results, dim=1).index_select(1, self.get_buffer("order"))

    def _pair(self, features: Tensor, first: int, second: int) -> Tensor:
        """Compute (a x b) of all pairs of channels, [N, components of all degrees, pairs]."""
        channels = self.get_buffer(f"channels_{first}_{second}")
        a = _block(features, first).index_select(2, channels[0])
        b = _block(features, second).index_select(2, channels[1])
        return self.get_buffer(f"coupling_{first}_{second}") @ (a.unsqueeze(2) * b.unsqueeze(1)).flatten(1, 2)


def _block(features: Tensor, degree: int) -> Tensor:
    return features[:, degree**2 : (degree + 1) ** 2]


def _group(pairs: dict[Degrees, _Pairs], product: Invariant) -> tuple[_Group, tuple[int, int]]:
    """Return the group of a product and the positions of its two operands."""
    a, *others = product.factors
    if not others:
        return _Group(a.degree, None, a.degree), (a.channel, 0)
    if len(others) == 1:
        (b,) = others
        return _Group(a.degree, b.degree, a.degree), (a.channel, b.channel)
    b, c, *rest = others
    first = pairs[a.degree, b.degree].add(a, b, product.intermediate)
    if not rest:
        return _Group((a.degree, b.degree), c.degree, product.intermediate), (first, c.channel)
    (d,) = rest
    second = pairs[c.degree, d.degree].add(c, d, product.intermediate)
    return _Group((a.degree, b.degree), (c.degree, d.degree), product.intermediate), (first, second)
