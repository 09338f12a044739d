"""Tables of many-body products: the monomials of each output."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from potentials.kernels.tables import Table, content_key, registered


@dataclass(frozen=True, eq=False, repr=False)
class ManyBodyTable(Table):
    """Terms of B[n, M, c] = sum_t [M_t = M] coefficients[z_n, t, c] prod_q A[n, factors[t, q], c].

    A factor equal to `components` stands for the constant 1, so that monomials of all degrees have the same form.
    Terms are sorted by output.
    """

    components: int
    outputs: int
    factors: np.ndarray
    """[T, correlation] int64."""
    output_of_term: np.ndarray
    """[T] int64, ascending."""

    @classmethod
    def create(cls, components: int, outputs: int, factors: np.ndarray, output_of_term: np.ndarray) -> ManyBodyTable:
        """Create and register a table; equal content gives the same key in every process."""
        key = content_key("many-body", np.array([components, outputs]), factors, output_of_term)
        table = cls(key, components, outputs, factors, output_of_term)
        return registered(table)

    @property
    def num_terms(self) -> int:
        """Number of monomials, counted once per output they contribute to."""
        return self.factors.shape[0]
