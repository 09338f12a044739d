"""Calculators of a report: one as in molecular dynamics, one in double precision."""

from __future__ import annotations

import copy
from functools import lru_cache

from potentials.potential import Potential, PotentialCalculator
from potentials.potential.compilation import compile_for_md


@lru_cache(maxsize=1)
def fast_calculator(potential: Potential) -> PotentialCalculator:
    """Return a calculator as in simulations: compiled, in the precision of the potential. The latest is cached."""
    return PotentialCalculator(compile_for_md(potential))


def in_float64(potential: Potential) -> Potential:
    """Return a copy that computes in double precision, for finite differences."""
    exact = copy.deepcopy(potential).eval()
    exact.precision = "float64"
    exact.model.double()
    return exact


def exact_calculator(potential: Potential) -> PotentialCalculator:
    """Return a calculator in double precision without compilation."""
    return PotentialCalculator(in_float64(potential), compiled=False)
