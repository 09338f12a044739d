"""Tables of spherical harmonics: coefficients of the recursion from one degree to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from potentials.kernels.tables import Table, content_key, registered


@dataclass(frozen=True, eq=False, repr=False)
class HarmonicsTable(Table):
    """Coefficients of Y_l = sum_ab raising[l - 2][a, b, :] Y_{l-1,a} Y_{1,b} for l = 2 to `degree`."""

    degree: int
    raising: tuple[np.ndarray, ...]

    @property
    def components(self) -> int:
        """Number of components of all degrees."""
        return (self.degree + 1) ** 2

    @classmethod
    def create(cls, degree: int, raising: Sequence[np.ndarray]) -> HarmonicsTable:
        """Create and register a table; equal content gives the same key in every process."""
        table = cls(content_key("harmonics", np.array([degree]), *raising), degree, tuple(raising))
        return registered(table)
