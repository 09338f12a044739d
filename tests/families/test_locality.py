"""What is beyond the cutoff does not matter, and what crosses it does so smoothly."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from ase import Atoms
from families.cases import COMMON, REFERENCE_ENERGIES, Case
from families.evaluation import Result, assert_close, energies, predict
from families.structures import ELEMENTS, ethanol, water

from potentials.kernels import EdgeTopology
from potentials.potential import Potential

CUTOFF = COMMON["cutoff"]
# Crossing atom, the atom whose cutoff it crosses, and one more that only the latter sees.
CROSSINGS = {"dimer": "OC", "like dimer": "HH", "trimer": "OCH"}


def crossing(symbols: str, distance: float) -> Atoms:
    """The first atom at this distance from the second; the third is bonded to the second, on the far side."""
    direction = np.array([0.36, 0.48, 0.8])
    positions = [distance * direction, [0.0, 0.0, 0.0], [-0.3, -0.8, -0.7]]
    return Atoms(symbols, positions=positions[: len(symbols)])


def crossing_forces(potential: Potential, symbols: str, distances: np.ndarray) -> np.ndarray:
    """Forces on the crossing atom [distances, 3]."""
    result = predict(potential, *(crossing(symbols, distance) for distance in distances))
    return result.forces[:: len(symbols)]


@pytest.mark.parametrize("symbols", CROSSINGS.values(), ids=CROSSINGS.keys())
def test_smooth_at_the_cutoff(symbols: str, potential: Potential) -> None:
    """Energy, force and the force's derivative go to zero, as d^3, d^2 and d or faster, at the distance d inside."""
    apart = energies(potential, [crossing(symbols, CUTOFF + 1.0)])
    step = 5e-5
    largest = []
    for width in (0.012, 0.006, 0.003):
        # The largest of several distances: one may sit on a zero.
        distances = CUTOFF - np.linspace(width / 2, width, 7)
        energy = energies(potential, [crossing(symbols, distance) for distance in distances]) - apart
        forces = crossing_forces(potential, symbols, distances)
        ahead = crossing_forces(potential, symbols, distances + step)
        behind = crossing_forces(potential, symbols, distances - step)
        slopes = (ahead - behind) / (2 * step)
        largest.append([np.abs(values).max() for values in (energy, forces, slopes)])
    assert np.abs(energies(potential, [crossing(symbols, 0.8 * CUTOFF)]) - apart) > 1e-6
    for outer, inner in itertools.pairwise(np.array(largest)):
        # Half the distance: an eighth, a fourth, a half, with a margin for the next order.
        assert (inner < outer * 0.5 ** (np.array([3, 2, 1]) - 0.5) + [1e-13, 1e-13, 1e-10]).all()


@pytest.mark.parametrize("symbols", CROSSINGS.values(), ids=CROSSINGS.keys())
def test_nothing_beyond_the_cutoff(symbols: str, potential: Potential) -> None:
    outside = [crossing(symbols, CUTOFF + distance) for distance in (1e-9, 0.1, 10.0)]
    result = predict(potential, *outside)
    np.testing.assert_allclose(result.energy, result.energy[-1], rtol=1e-14)
    np.testing.assert_array_equal(result.forces[:: len(symbols)], 0.0)


def isolated_energies(potential: Potential) -> np.ndarray:
    """Of each element, from the model itself with no edges."""
    species = torch.arange(len(ELEMENTS))
    nothing = torch.zeros(2, 0, dtype=torch.int64)
    edges = EdgeTopology.from_edge_index(nothing, len(ELEMENTS))
    with torch.no_grad():
        model = potential.model(torch.zeros(0, 3, dtype=torch.float64), species, edges).numpy()

    def of_each(value: float | dict[str, float]) -> np.ndarray:
        return np.array([value[symbol] if isinstance(value, dict) else value for symbol in ELEMENTS])

    reference = of_each(REFERENCE_ENERGIES)
    return reference + of_each(potential.config.shift) + of_each(potential.config.scale) * model


@pytest.mark.parametrize("number", range(len(ELEMENTS)), ids=ELEMENTS)
def test_one_atom(number: int, potential: Potential) -> None:
    """E0 and the constant of its species: no force, and no stress in a large cell."""
    atom = Atoms(ELEMENTS[number], positions=[[0.3, 0.2, 0.1]])
    in_cell = Atoms(ELEMENTS[number], cell=[10.0, 11.0, 12.0], pbc=True)
    expected = isolated_energies(potential)[number]
    for structure in (atom, in_cell):
        result = predict(potential, structure)
        np.testing.assert_allclose(result.energy, [expected], rtol=1e-14, atol=1e-14)
        np.testing.assert_allclose(result.node_energies, [expected], rtol=1e-14, atol=1e-14)
        np.testing.assert_array_equal(result.forces, np.zeros((1, 3)))
        np.testing.assert_array_equal(result.node_virials, np.zeros((1, 3, 3)))
    np.testing.assert_array_equal(result.stress, np.zeros((1, 3, 3)))


def test_no_atoms(potential: Potential) -> None:
    result = predict(potential, Atoms())
    assert [values.shape for values in result] == [(1,), (0,), (0, 3), (1, 3, 3), (0, 3, 3)]
    assert result.energy[0] == 0


def test_atoms_far_apart_are_isolated(potential: Potential) -> None:
    atoms = Atoms("CHOH", positions=10.0 * np.arange(12).reshape(4, 3))
    isolated = isolated_energies(potential)[[1, 0, 2, 0]]
    np.testing.assert_allclose(predict(potential, atoms).node_energies, isolated, rtol=1e-14)


def joined(first: Result, second: Result) -> Result:
    pairs = zip(first[1:], second[1:], strict=True)
    return Result(first.energy + second.energy, *(np.concatenate(pair) for pair in pairs))


def test_far_fragments_add_up(case: Case, potential: Potential) -> None:
    near, far = water(), water()
    near.positions += [4.0, 1.0, 0.0]
    far.positions += [40.0, 10.0, 0.0]
    expected = joined(predict(potential, ethanol()), predict(potential, water()))
    together = predict(potential, ethanol() + far)
    tolerance = case.variant.symmetry_tolerance
    assert_close(together.energy, expected.energy, tolerance)
    assert_close(together.node_energies, expected.node_energies, tolerance)
    assert_close(together.forces, expected.forces, tolerance)
    assert_close(together.node_virials, expected.node_virials, tolerance)
    assert abs(predict(potential, ethanol() + near).energy - expected.energy) > 1e-6
