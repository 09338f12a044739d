"""The calculator and molecular dynamics with every model family, small and untrained, in float64."""

from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.io.trajectory import Trajectory
from families.cases import with_random_matrices
from slow_cases import slow_but

import potentials.models  # noqa: F401  (registers the families)
from potentials import Potential
from potentials.config import families, family_config
from potentials.potential import PotentialCalculator
from potentials.simulation import MDSettings, run_md

FAMILIES = list(families())


def calculator(family: str, **options: object) -> PotentialCalculator:
    torch.manual_seed(0)
    config = {"name": family, "cutoff": 4.0, "elements": ["H", "O"], "average_neighbors": 6.0}
    config |= {"polynomial_degree": 6} if family == "ace" else {"channels": 4}
    config |= {"scale": 0.5, "shift": {"H": 0.1, "O": -0.2}}
    potential = Potential(family_config(config), {"H": -13.6, "O": -432.1}, "float64")
    return PotentialCalculator(with_random_matrices(potential), **options)


def water() -> Atoms:
    """Two molecules; the cell is triclinic, left-handed and smaller than twice the cutoff."""
    atoms = Atoms(
        "OH2OH2", [[0, 0, 0], [0.8, 0.6, 0], [-0.8, 0.6, 0], [0.2, 0.3, 2.8], [1, 0.9, 2.9], [-0.6, 0.8, 2.7]]
    )
    atoms.set_cell([[0.3, 5.0, 0.2], [4.5, 0.4, 0.1], [0.5, 0.2, 5.5]])
    atoms.pbc = True
    assert np.linalg.det(atoms.cell) < 0
    return atoms


@pytest.mark.parametrize("family", slow_but(FAMILIES, "mace"))
def test_forces_and_stress_are_derivatives_of_the_energy(family: str) -> None:
    atoms = water()
    atoms.calc = calculator(family)
    forces = atoms.get_forces()
    numerical = calculate_numerical_forces(atoms, eps=1e-4)
    np.testing.assert_allclose(forces, numerical, atol=1e-6 * np.abs(forces).max())
    stress = atoms.get_stress()
    numerical = calculate_numerical_stress(atoms, eps=1e-5)
    np.testing.assert_allclose(stress, numerical, atol=1e-6 * np.abs(stress).max())


@pytest.mark.parametrize("family", slow_but(FAMILIES, "mace"))
def test_moving_and_wrapping_changes_nothing(family: str) -> None:
    """A calculator with a history against one without, to the bit; wrapped against unwrapped, to rounding."""
    atoms = water()
    atoms.calc = calculator(family)
    rng = np.random.default_rng(0)
    for _ in range(8):
        atoms.positions += rng.normal(scale=0.03, size=atoms.positions.shape)
        fresh = atoms.copy()
        fresh.calc = calculator(family, skin=0.0)
        assert atoms.get_potential_energy() == fresh.get_potential_energy()
        assert np.array_equal(atoms.get_forces(), fresh.get_forces())
        assert np.array_equal(atoms.get_stress(), fresh.get_stress())
    assert atoms.calc.num_neighbor_searches < 5
    forces, energy = atoms.get_forces(), atoms.get_potential_energy()
    atoms.wrap()
    assert atoms.get_potential_energy() == pytest.approx(energy, rel=1e-13)
    np.testing.assert_allclose(atoms.get_forces(), forces, atol=1e-11)


@pytest.mark.parametrize("family", slow_but(FAMILIES, "mace"))
def test_continued_is_uninterrupted_to_the_bit(family: str, tmp_path: Path) -> None:
    for name, lengths in (("whole", [16]), ("parts", [7, 16])):
        for length in lengths:
            settings = MDSettings(ensemble="langevin", temperature=200.0, steps=length, every=1)
            output = tmp_path / f"{name}.traj"
            run_md(calculator(family), water(), settings, output, progress=False)
    with Trajectory(tmp_path / "whole.traj") as whole, Trajectory(tmp_path / "parts.traj") as parts:
        assert len(whole) == len(parts) == 17
        assert np.array_equal(whole[-1].positions, parts[-1].positions)
        assert np.array_equal(whole[-1].get_momenta(), parts[-1].get_momenta())
