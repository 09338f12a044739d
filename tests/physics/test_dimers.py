"""Two Morse atoms, whose curve is known, and curves that are made up."""

import numpy as np
import pytest
from morse_family import MorseConfig, morse_potential
from morse_pairs import pair_derivatives, pair_energy

from potentials.errors import UnknownElementError
from potentials.physics.dimers import DimerCurve, Hole, dimer_curve
from potentials.potential import Potential

DISTANCES = np.linspace(0.8, 5.5, 200)


def curve_of(energies: np.ndarray, distances: np.ndarray = DISTANCES) -> DimerCurve:
    return DimerCurve(("H", "H"), distances, energies, -np.gradient(energies, distances), None)


def test_energies_and_forces_are_those_of_the_pair() -> None:
    curve = dimer_curve(morse_potential(), ("O", "Cu"), DISTANCES[::-1].tolist())
    np.testing.assert_allclose(curve.distances, DISTANCES)
    np.testing.assert_allclose(curve.energies, pair_energy(DISTANCES), atol=1e-9)
    np.testing.assert_allclose(curve.forces, -pair_derivatives(DISTANCES)[0], atol=1e-4)
    distance, depth = curve.well
    assert distance == pytest.approx(2.866, abs=0.03)
    assert depth == pytest.approx(-0.3429, abs=1e-3)
    assert curve.repulsion is None
    assert curve.hole(3.0, 2.0) is None


def test_the_repulsion_is_what_it_adds() -> None:
    settings = {"elements": ["O", "Cu"], "average_neighbors": 1.0, "scale": 1.0, "shift": 0.0}
    energies = {"O": 0.0, "Cu": 0.0}
    without, with_zbl = (
        dimer_curve(potential.eval(), ("Cu", "O"), DISTANCES.tolist())
        for potential in (Potential(MorseConfig(**settings, zbl=zbl), energies, "float64") for zbl in (False, True))
    )
    assert with_zbl.repulsion is not None
    np.testing.assert_allclose(with_zbl.energies - without.energies, with_zbl.repulsion, atol=1e-9)
    assert with_zbl.repulsion[0] > 5
    assert with_zbl.repulsion[-1] == 0


def test_a_hole_and_its_barrier_are_found() -> None:
    # A bond of -1 eV at 1.6 A, 2 eV higher at 1.2 A, and down from there.
    energies = 0.5 - 1.5 * np.cos(np.pi * (DISTANCES - 1.6) / 0.4)
    energies = np.where(DISTANCES > 2.0, np.minimum(2.0, 4 - DISTANCES), energies - 0.0)
    hole = curve_of(energies).hole(1.8, 1.3)
    assert isinstance(hole, Hole)
    assert hole.distance == pytest.approx(1.2, abs=0.05)
    assert hole.barrier == pytest.approx(3.0, abs=0.05)


def test_atoms_that_only_attract_each_other_have_no_barrier() -> None:
    hole = curve_of(-1 / DISTANCES).hole(2.0, 1.4)
    assert hole is not None
    assert hole.barrier == 0
    assert hole.distance == pytest.approx(2.0, abs=0.05)


def test_atoms_that_only_repel_each_other_have_no_hole() -> None:
    assert curve_of(1 / DISTANCES).hole(2.0, 1.4) is None


def test_an_unknown_element_is_an_error() -> None:
    with pytest.raises(UnknownElementError, match="H"):
        dimer_curve(morse_potential(), ("H", "Cu"), [1.0])
