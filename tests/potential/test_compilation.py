"""A potential compiled for molecular dynamics against the potential itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.md.verlet import VelocityVerlet
from families.cases import with_random_matrices
from slow_cases import slow_but

from potentials import Potential
from potentials.config import families, family_config
from potentials.data.graph import build_graph
from potentials.errors import ModelFileError, PotentialsError
from potentials.potential import PotentialCalculator, compilation

WITHOUT_RADIAL_NETWORKS = {"ace", "allegro", "ponita"}
FAMILIES = [family for family in families() if family not in WITHOUT_RADIAL_NETWORKS]


def potential(family: str = "mace", precision: str = "float32", **settings: Any) -> Potential:
    torch.manual_seed(0)
    config = {"name": family, "cutoff": 4.0, "elements": ["H", "O"], "average_neighbors": 6.0}
    config |= {"polynomial_degree": 6} if family == "ace" else {"channels": 8}
    # The initial weights of E3x make small forces.
    config |= {"scale": 10.0 if family == "e3x" else 2.0, "shift": 0.1} | settings
    return with_random_matrices(Potential(family_config(config), {"H": -13.6, "O": -432.1}, precision).eval())


def water(seed: int) -> Atoms:
    """A periodic box with distances that are anything from a bond to the cutoff."""
    atoms = molecule("H2O", vacuum=0)
    atoms.set_cell([3.0, 3.1, 3.2], scale_atoms=False)
    atoms.pbc = True
    atoms = atoms * (2, 2, 1)
    atoms.rattle(0.1, seed=seed)
    return atoms


@pytest.mark.parametrize("family", slow_but(FAMILIES, "mace", "schnet"))
@pytest.mark.parametrize(
    ("precision", "tolerance"),
    [("float32", 1e-5), ("mixed", 1e-5), pytest.param("float64", 1e-8, marks=pytest.mark.slow)],
)
def test_forces_are_those_of_the_networks(family: str, precision: str, tolerance: float, kernels: str) -> None:
    """On other structures than those it was checked with."""
    original = potential(family, precision)
    compiled = original.compile_for_md()
    assert compiled.compilation.knots is not None
    assert compiled.compilation.force_error <= tolerance
    for seed in range(3):
        graph = build_graph(water(seed), original.elements, original.cutoff)
        expected, found = (p(graph, stress=True, create_graph=False) for p in (original, compiled))
        assert expected.forces.abs().max() > 0.1
        torch.testing.assert_close(found.forces, expected.forces, rtol=0, atol=tolerance)
        torch.testing.assert_close(found.stress, expected.stress, rtol=0, atol=tolerance)
        torch.testing.assert_close(found.node_energies, expected.node_energies, rtol=0, atol=3 * tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(WITHOUT_RADIAL_NETWORKS))
def test_families_without_radial_networks_stay_as_they_are(family: str) -> None:
    original = potential(family, "float64")
    compiled = original.compile_for_md()
    assert compiled.compilation.knots is None
    assert "the model has no radial networks" in compiled.compilation.note
    graph = build_graph(water(0), original.elements, original.cutoff)
    expected, found = (p(graph, create_graph=False) for p in (original, compiled))
    assert torch.equal(found.forces, expected.forces)
    assert compiled.compile_for_md() is compiled


def test_attention_is_tabulated_too() -> None:
    """Filters, and the encodings of distances that weigh the neighbors."""
    original = potential("e3x", attention_heads=2, layers=2, scale=30.0, precision="float64")
    graph = build_graph(water(0), original.elements, original.cutoff)
    compiled = original.compile_for_md()
    assert compiled.compilation.knots is not None
    expected, found = (p(graph, create_graph=False) for p in (original, compiled))
    assert expected.forces.abs().max() > 0.1
    torch.testing.assert_close(found.forces, expected.forces, rtol=0, atol=1e-8)


def test_density_normalization_is_tabulated_too() -> None:
    original = potential(normalization="density", precision="float64")
    graph = build_graph(water(0), original.elements, original.cutoff)
    expected, found = (p(graph, create_graph=False) for p in (original, original.compile_for_md()))
    torch.testing.assert_close(found.forces, expected.forces, rtol=0, atol=1e-8)


def test_the_potential_itself_stays_as_it_was() -> None:
    original = potential().train()
    before = {name: tensor.clone() for name, tensor in original.state_dict().items()}
    original.compile_for_md()
    assert original.training
    assert original.compilation is None
    assert all(torch.equal(tensor, before[name]) for name, tensor in original.state_dict().items())


def test_radial_functions_of_the_elements_are_not_tabulated() -> None:
    original = potential(radial={"distance_transform": "agnesi"})
    compiled = original.compile_for_md()
    assert compiled.compilation.knots is None
    assert "depend on the elements" in compiled.compilation.note
    graph = build_graph(water(0), original.elements, original.cutoff)
    expected, found = (p(graph, create_graph=False) for p in (original, compiled))
    torch.testing.assert_close(found.forces, expected.forces, rtol=0, atol=1e-5)


@pytest.mark.parametrize("tolerance", ["RADIAL_TOLERANCE", "FORCE_TOLERANCE"])
def test_splines_that_are_not_good_enough_are_refused(
    tolerance: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("POTENTIALS_CACHE", str(tmp_path))
    monkeypatch.setattr("potentials.potential.compilation._KNOTS", (65,))
    monkeypatch.setitem(getattr(compilation, tolerance), "float64", 1.0)
    compiled = potential(precision="float64").compile_for_md()
    assert compiled.compilation.knots is None
    assert "splines of 65 knots have a relative error" in compiled.compilation.note


def test_training_and_saving_are_refused(tmp_path: Path) -> None:
    compiled = potential().compile_for_md()
    graph = build_graph(water(0), compiled.elements, compiled.cutoff)
    with pytest.raises(PotentialsError, match="cannot be trained"):
        compiled(graph, create_graph=True)
    with pytest.raises(ModelFileError, match="compiled for molecular dynamics"):
        compiled.save(tmp_path / "compiled.potential")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_results_outlive_the_next_call() -> None:
    """Large enough for memory to be used again."""
    compiled = potential(channels=64).compile_for_md()
    graphs = []
    for seed in (1, 2):
        atoms = bulk("Si", cubic=True) * (4, 4, 4)
        atoms.numbers[:] = 8
        atoms.rattle(0.1, seed=seed)
        graphs.append(build_graph(atoms, compiled.elements, compiled.cutoff))
    first = compiled(graphs[0], create_graph=False)
    kept = first.forces.clone(), first.node_energies.clone()
    size = compiled.workspace.size
    assert size > 0
    compiled(graphs[1], create_graph=False)
    again = compiled(graphs[0], create_graph=False)
    assert torch.equal(first.forces, kept[0])
    assert torch.equal(first.node_energies, kept[1])
    assert torch.equal(again.forces, kept[0])
    assert compiled.workspace.size <= 1.2 * size


@pytest.mark.parametrize("family", slow_but(FAMILIES, "mace"))
def test_energy_is_conserved_as_with_the_networks(family: str) -> None:
    """The same trajectory: total energies differ by what the forces differ."""
    totals = []
    for compiled in (True, False):
        atoms = water(0)
        atoms.calc = PotentialCalculator(potential(family, "float64", scale=0.3), compiled=compiled)
        atoms.set_velocities(np.random.default_rng(0).normal(scale=0.02, size=(len(atoms), 3)))
        dynamics = VelocityVerlet(atoms, 0.1 * units.fs)
        energies = []
        for _ in range(100):
            dynamics.run(1)
            energies.append(atoms.get_total_energy())
        totals.append(np.array(energies))
    np.testing.assert_allclose(totals[0], totals[1], rtol=0, atol=1e-7)
    assert np.ptp(totals[0]) < 1e-3


def test_the_calculator_uses_it_by_default() -> None:
    calculator = PotentialCalculator(potential())
    assert calculator.compiled_potential.compilation is not None
    plain = PotentialCalculator(potential(), compiled=False)
    assert plain.compiled_potential is plain.potential
