"""Lower precision costs digits of the model's part, never of the reference energies."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from families.cases import REFERENCE_ENERGIES, Case
from families.evaluation import Result, predict
from families.structures import STRUCTURES, ethanol

from potentials.config.train import Precision
from potentials.data.graph import build_graph
from potentials.potential import Potential

LOWER = ("float32", "mixed")


def with_precision(case: Case, potential: Potential, precision: Precision) -> Potential:
    """The same numbers in another precision."""
    other = case.potential(precision).requires_grad_(False)
    other.model.load_state_dict(potential.model.state_dict())
    return other


@pytest.mark.parametrize("precision", LOWER)
def test_agrees_with_float64(precision: Precision, case: Case, potential: Potential) -> None:
    structures = [build() for build in STRUCTURES.values()]
    expected = predict(potential, *structures)
    result = predict(with_precision(case, potential, precision), *structures)
    for name in Result._fields:
        wanted, found = getattr(expected, name), getattr(result, name)
        size = max(1.0, np.nanmax(np.abs(wanted)))
        np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-5 * size)
    assert np.abs(result.node_energies - expected.node_energies).max() > 1e-12


@pytest.mark.parametrize(
    ("precision", "dtype"), [("float64", torch.float64), ("mixed", torch.float64), ("float32", torch.float32)]
)
def test_types_of_the_results(precision: Precision, dtype: torch.dtype, case: Case, potential: Potential) -> None:
    # Energies are sums of large numbers and stay in float64 whatever the precision.
    lower = with_precision(case, potential, precision)
    graph = build_graph(ethanol(), lower.elements, lower.cutoff)
    prediction = lower(graph, forces=True, stress=True, node_virials=True)
    assert (prediction.energy.dtype, prediction.node_energies.dtype) == (torch.float64, torch.float64)
    assert {prediction.forces.dtype, prediction.stress.dtype, prediction.node_virials.dtype} == {dtype}


@pytest.mark.parametrize("precision", LOWER)
def test_large_reference_energies_keep_every_millielectronvolt(
    precision: Precision, case: Case, potential: Potential
) -> None:
    # Near 9391 eV two neighboring float32 numbers are 1 meV apart.
    large = dict(zip("HCO", (-500.0, -2000.0, -2391.0), strict=True))
    other = with_precision(case, potential, precision)
    other.reference_energies.copy_(torch.tensor(list(large.values()), dtype=torch.float64))
    frames = [ethanol() for _ in range(8)]
    for number, atoms in enumerate(frames):
        atoms.positions[0, 0] += 1e-3 * number
    exact, found = predict(potential, *frames).energy, predict(other, *frames).energy
    assert abs(found + 9391).max() < 50
    offset = sum(large[symbol] - REFERENCE_ENERGIES[symbol] for symbol in frames[0].symbols)
    np.testing.assert_allclose(found - offset, exact, rtol=0, atol=5e-5)
    assert np.abs(np.diff(exact)).max() > 2e-6
    np.testing.assert_allclose(np.diff(found), np.diff(exact), rtol=0, atol=5e-5)
