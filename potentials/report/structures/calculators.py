"""The calculators of a report: one as in molecular dynamics, one without the rounding of single precision."""

from __future__ import annotations

import copy
from functools import lru_cache

from potentials.potential import Potential, PotentialCalculator
from potentials.potential.compilation import compile_for_md


@lru_cache(maxsize=1)
def fast_calculator(potential: Potential) -> PotentialCalculator:
    """As a user's simulation has it: compiled, in the potential's own precision. Kept for the next section."""
    return PotentialCalculator(compile_for_md(potential))


def in_float64(potential: Potential) -> Potential:
    """A copy that computes in double precision, for derivatives by differences."""
    exact = copy.deepcopy(potential).eval()
    exact.precision = "float64"
    exact.model.double()
    return exact


def exact_calculator(potential: Potential) -> PotentialCalculator:
    """In double precision, with the networks as they were trained."""
    return PotentialCalculator(in_float64(potential), compiled=False)
