"""Any structure at all: numbers that agree with float64 networks, or an error; and nothing is left of the last call."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from ase import Atoms
from families.cases import COMMON, REFERENCE_ENERGIES, cases
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slow_cases import slow_but

from potentials.config.train import Precision
from potentials.errors import DataError, SimulationError
from potentials.kernels.dispatch import use_kernels
from potentials.potential import PotentialCalculator

CUTOFF: float = COMMON["cutoff"]
BOUND = {"float64": 1e-6, "mixed": 1e-4, "float32": 3e-4}
"""Of energies and forces in units of their largest magnitude, or of eV and eV/A where that is smaller. Splines, where
there are some, are within 1e-9 (float64) and 1e-6 of their functions; products of features amplify that."""


FAMILIES = {case.family: case for case in cases()}


@cache
def calculator(family: str, precision: Precision, compiled: bool) -> PotentialCalculator:
    """One for all structures, so that what one leaves behind is seen by the next."""
    exact = FAMILIES[family].potential("float32").with_precision("float64")
    return PotentialCalculator(exact.with_precision(precision), compiled=compiled)


def reference(family: str) -> PotentialCalculator:
    """A new one for each structure."""
    return PotentialCalculator(calculator(family, "float64", False).potential, compiled=False)


def knots(precision: Precision) -> list[float]:
    """Some of the places where intervals of splines meet, for any number of them, and the numbers around."""
    found = []
    for intervals in (128, 256, 512, 1024, 2048):
        step = (CUTOFF - 1e-3) / intervals
        for number in (0, 1, intervals // 3, intervals - 1, intervals):
            knot = 1e-3 + number * step
            number_type = np.float64 if precision == "float64" else np.float32
            nearby = [np.nextafter(number_type(knot), number_type(other)) for other in (0, 9)]
            found += [knot, *map(float, nearby)]
    return found


@st.composite
def structures(draw: st.DrawFn, precision: Precision) -> Atoms:
    """Clusters, wires, slabs and crystals in small and skewed cells; pairs at knots, cutoff and next to nothing."""
    number = draw(st.integers(1, 5))
    symbols = draw(st.lists(st.sampled_from(list(REFERENCE_ENERGIES)), min_size=number, max_size=number))
    places = st.floats(-4, 4, width=32)
    positions = np.array(draw(st.lists(st.tuples(places, places, places), min_size=number, max_size=number)), float)
    if number > 1 and draw(st.booleans()):
        special = st.sampled_from([*knots(precision), CUTOFF, np.nextafter(CUTOFF, 0), 0.0, 1e-300, 1e-7, 0.01, 0.1])
        positions[1] = positions[0] + draw(special) * np.eye(3)[draw(st.integers(0, 2))]
    periodic = draw(st.lists(st.booleans(), min_size=3, max_size=3))
    lengths = [draw(st.floats(2.2, 6.0)) for _ in range(3)]
    skew = np.array([[1, draw(st.floats(-2, 2)), 0], [0, 1, draw(st.floats(-2, 2))], [0, 0, 1]])
    return Atoms(symbols, positions, cell=skew @ np.diag(lengths), pbc=periodic)


def results(calculator: PotentialCalculator, atoms: Atoms) -> tuple[float, np.ndarray] | None:
    """Energy and forces, or None after an error of ours."""
    atoms = atoms.copy()
    atoms.calc = calculator
    try:
        return atoms.get_potential_energy(), atoms.get_forces()
    except (DataError, SimulationError):
        assert not calculator.results
        return None


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "networks"])
@pytest.mark.parametrize(
    ("precision", "kernels_used"),
    # The reference computes mixed potentials as float32 ones.
    [("float32", "cpu"), ("mixed", "cpu"), ("float64", "cpu"), ("float32", "reference"), ("float64", "reference")],
)
@pytest.mark.parametrize("family", slow_but(FAMILIES, "mace"))
def test_any_structure(family: str, precision: Precision, kernels_used: str, compiled: bool) -> None:
    @settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
    @given(structures(precision))
    def holds(atoms: Atoms) -> None:
        with use_kernels("reference"):
            expected = results(reference(family), atoms)
        with use_kernels(kernels_used):  # type: ignore[arg-type]
            found = results(calculator(family, precision, compiled), atoms)
        if found is None:
            # Distances of 1e-300 A are numbers in float64 only; nothing else makes a difference.
            assert expected is None or shortest(atoms) < 1e-18
            return
        assert np.isfinite(found[0])
        assert np.isfinite(found[1]).all()
        if expected is None or shortest(atoms) < 1e-4:
            return
        assert abs(found[0] - expected[0]) < BOUND[precision] * max(1.0, abs(expected[0]))
        largest = max(1.0, float(np.abs(expected[1]).max(initial=0.0)))
        assert np.abs(found[1] - expected[1]).max(initial=0.0) < BOUND[precision] * largest

    holds()


def shortest(atoms: Atoms) -> float:
    """Distance of the nearest two atoms, A."""
    distances = atoms.get_all_distances(mic=bool(atoms.pbc.any()))
    return float(distances[np.triu_indices(len(atoms), 1)].min(initial=np.inf))
