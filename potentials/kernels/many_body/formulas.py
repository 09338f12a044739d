"""The polynomials of the many-body product as formulas for the numbers of any code emitter.

The monomials form a tree, which is evaluated by Horner's scheme; the gradient is one backward pass over the same tree.
In dual numbers the same formulas give second derivatives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from potentials.kernels.codegen.duals import Dual, N
from potentials.kernels.many_body.table import ManyBodyTable

_TERMS_AT_A_TIME = 500


@dataclass
class Branch:
    """The monomials that start with a given sequence of factors.

    Attributes:
        terms: (output, term) of the monomial that ends here.
        children: branches by their next factor.
    """

    terms: list[tuple[int, int]] = field(default_factory=list)
    children: dict[int, Branch] = field(default_factory=dict)


def tree_of(table: ManyBodyTable, outputs: Sequence[int]) -> Branch:
    """Build the tree of the monomials of some outputs."""
    root = Branch()
    for term, (factors, reached) in enumerate(zip(table.factors.tolist(), table.output_of_term.tolist(), strict=True)):
        if reached not in outputs:
            continue
        branch = root
        for factor in factors:
            if factor < table.components:
                branch = branch.children.setdefault(factor, Branch())
        branch.terms.append((reached, term))
    return root


def pieces_of(table: ManyBodyTable) -> list[list[int]]:
    """Split the outputs into small groups: compile time grows faster than linearly with the terms of a function."""
    sizes = [int(np.count_nonzero(table.output_of_term == output)) for output in range(table.outputs)]
    pieces: list[list[int]] = [[]]
    for output, size in enumerate(sizes):
        if pieces[-1] and sum(sizes[other] for other in pieces[-1]) + size > _TERMS_AT_A_TIME:
            pieces.append([])
        pieces[-1].append(output)
    return pieces


def total_of(parts: Sequence[Dual[N]]) -> Dual[N] | None:
    """Sum numbers; None for an empty sequence."""
    result: Dual[N] | None = None
    for part in parts:
        result = part if result is None else result + part
    return result


Coefficient = Callable[[int, int], Dual[N]]
"""Weight of a term, from output and term."""


def evaluate(branch: Branch, A: Sequence[Dual[N]], coefficient: Coefficient[N]) -> Dual[N] | None:
    """Evaluate the polynomial of a branch, divided by its leading factors."""
    parts = [coefficient(output, term) for output, term in branch.terms]
    for factor, child in branch.children.items():
        inner = evaluate(child, A, coefficient)
        if inner is not None:
            parts.append(A[factor] * inner)
    return total_of(parts)


def differentiate(
    branch: Branch,
    A: Sequence[Dual[N]],
    coefficient: Coefficient[N],
    prefix: Dual[N] | None,
    gradient: list[Dual[N] | None],
) -> Dual[N] | None:
    """Evaluate a branch and add d/dA of it times `prefix`, the product of its leading factors, to `gradient`."""
    parts = [coefficient(output, term) for output, term in branch.terms]
    for factor, child in branch.children.items():
        longer = None
        if child.children:
            longer = A[factor] if prefix is None else prefix * A[factor]
        inner = differentiate(child, A, coefficient, longer, gradient)
        if inner is None:
            continue
        slope = inner if prefix is None else prefix * inner
        earlier = gradient[factor]
        gradient[factor] = slope if earlier is None else earlier + slope
        parts.append(A[factor] * inner)
    return total_of(parts)


def monomials(branch: Branch, A: Sequence[Dual[N]], prefix: Dual[N]) -> Iterator[tuple[int, int, Dual[N]]]:
    """Yield (output, term, product of its factors) of every term."""
    for output, term in branch.terms:
        yield output, term, prefix
    for factor, child in branch.children.items():
        yield from monomials(child, A, prefix * A[factor])
