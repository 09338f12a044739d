"""Forces, stress and virials are derivatives of the energy."""

from __future__ import annotations

import numpy as np
import pytest
from families.cases import Case
from families.evaluation import assert_close, numerical_forces, numerical_virial, predict
from families.structures import PERIODIC, STRUCTURES

from potentials.data.graph import build_graph
from potentials.potential import Potential

TOLERANCE = 1e-6


def relative_error(actual: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


def symmetric(matrix: np.ndarray) -> np.ndarray:
    """The part that a strain sees: the rest is a torque, which only families that are not quite invariant have."""
    return (matrix + matrix.T) / 2


@pytest.mark.parametrize("name", STRUCTURES)
def test_forces(name: str, potential: Potential) -> None:
    atoms = STRUCTURES[name]()
    assert relative_error(predict(potential, atoms).forces, numerical_forces(potential, atoms)) < TOLERANCE


@pytest.mark.parametrize("name", PERIODIC)
def test_stress(name: str, potential: Potential) -> None:
    atoms = PERIODIC[name]()
    stress = predict(potential, atoms).stress[0]
    expected = symmetric(numerical_virial(potential, atoms)) / abs(np.linalg.det(atoms.cell.array))
    assert relative_error(stress, expected) < TOLERANCE
    np.testing.assert_array_equal(stress, stress.T)


@pytest.mark.parametrize("name", STRUCTURES)
def test_virials_of_the_atoms_add_up(name: str, case: Case, potential: Potential) -> None:
    # Without three periodic directions there is no stress, but still a derivative with respect to strain.
    atoms = STRUCTURES[name]()
    result = predict(potential, atoms)
    virial = result.node_virials.sum(axis=0)
    assert relative_error(symmetric(virial), symmetric(numerical_virial(potential, atoms))) < TOLERANCE
    assert_close(virial, virial.T, case.variant.symmetry_tolerance)
    if name in PERIODIC:
        assert_close(result.stress[0], symmetric(virial) / atoms.get_volume(), 1e-12)
    else:
        assert np.isnan(result.stress).all()


def test_forces_alone_and_everything_agree(potential: Potential) -> None:
    # What is asked for decides what is computed, not what it is.
    atoms = PERIODIC["crystal"]()
    graph = build_graph(atoms, potential.elements, potential.cutoff)
    everything = predict(potential, atoms)
    energy = potential(graph, forces=False)
    assert (energy.forces, energy.stress, energy.node_virials) == (None, None, None)
    np.testing.assert_array_equal(energy.energy.numpy(), everything.energy)
    forces = potential(graph)
    assert (forces.stress, forces.node_virials) == (None, None)
    assert_close(forces.forces.numpy(), everything.forces, 1e-13)
    stress = potential(graph, forces=False, stress=True)
    assert (stress.forces, stress.node_virials) == (None, None)
    assert_close(stress.stress.numpy(), everything.stress, 1e-13)
