"""Graphs from a list with a skin against graphs made from scratch."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

from potentials.data.graph import build_graph
from potentials.errors import SimulationError
from potentials.potential.skin_neighbor_list import SkinNeighborList

ELEMENTS, CUTOFF = ["H", "C", "O", "Cu"], 3.5


def skin_list(skin: float = 0.6) -> SkinNeighborList:
    return SkinNeighborList(ELEMENTS, CUTOFF, skin, torch.device("cpu"))


def assert_fresh(neighbors: SkinNeighborList, atoms: Atoms) -> None:
    graph, fresh = neighbors.graph(atoms).tensors(), build_graph(atoms, ELEMENTS, CUTOFF)
    for field, tensor in graph.items():
        assert tensor.dtype == fresh[field].dtype, field
        assert torch.equal(tensor, fresh[field]), field


def random_walk(atoms: Atoms, steps: int, length: float, seed: int = 0) -> "list[Atoms]":
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(steps):
        atoms = atoms.copy()
        atoms.positions += rng.normal(scale=length, size=(len(atoms), 3))
        frames.append(atoms)
    return frames


@pytest.mark.parametrize(
    "start",
    [
        bulk("Cu", cubic=True) * (2, 2, 2),
        bulk("Cu"),  # one atom, cell much smaller than the cutoff
        Atoms("CuO", [[0, 0, 0], [1.7, 0.2, 0.1]], cell=[[3, 0, 0], [1.5, 2.8, 0], [0.4, 0.9, -3.3]], pbc=True),
        Atoms("Cu4", np.diag([1, 2, 3, 0])[:, :3], cell=[[4, 0, 0], [0, 4, 0], [0, 0, 0]], pbc=[True, True, False]),
        molecule("CH3CH2OH"),
    ],
    ids=["crystal", "one atom", "triclinic left-handed", "slab", "molecule"],
)
def test_graph_is_the_fresh_one_along_a_walk(start: Atoms) -> None:
    neighbors = skin_list()
    frames = random_walk(start, 60, 0.02)
    for atoms in frames:
        assert_fresh(neighbors, atoms)
    assert 1 <= neighbors.num_searches < len(frames) / 2


def test_searches_again_when_and_only_when_two_atoms_moved_half_the_skin() -> None:
    atoms = bulk("Cu", cubic=True) * (3, 3, 3)
    neighbors = skin_list(skin=0.6)
    neighbors.graph(atoms)
    atoms.positions[0, 0] += 0.29
    neighbors.graph(atoms)
    assert neighbors.num_searches == 1
    atoms.positions[0, 0] += 0.02
    assert_fresh(neighbors, atoms)
    assert neighbors.num_searches == 2


def test_no_skin_searches_whenever_an_atom_moves() -> None:
    atoms = bulk("Cu", cubic=True)
    neighbors = skin_list(skin=0.0)
    assert_fresh(neighbors, atoms)
    assert_fresh(neighbors, atoms)
    assert neighbors.num_searches == 1
    atoms.positions[0, 0] += 1e-6
    assert_fresh(neighbors, atoms)
    assert neighbors.num_searches == 2


def test_wrapping_and_unwrapping_between_calls() -> None:
    neighbors = skin_list()
    for atoms in random_walk(bulk("Cu", cubic=True) * (2, 2, 2), 20, 0.05, seed=1):
        assert_fresh(neighbors, atoms)
        atoms.wrap()
        assert_fresh(neighbors, atoms)
        atoms.positions[3] += 2 * atoms.cell[0] - atoms.cell[2]
        assert_fresh(neighbors, atoms)


def test_change_of_elements_periodicity_and_number_of_atoms() -> None:
    atoms = bulk("Cu", cubic=True)
    neighbors = skin_list()
    assert_fresh(neighbors, atoms)
    atoms.numbers[1] = 8
    assert_fresh(neighbors, atoms)
    atoms.pbc = [True, False, True]
    assert_fresh(neighbors, atoms)
    assert_fresh(neighbors, atoms[:3])
    assert neighbors.num_searches == 4


@pytest.mark.parametrize("scale_atoms", [True, False])
def test_changing_cell(scale_atoms: bool) -> None:
    rng = np.random.default_rng(2)
    atoms = bulk("Cu") * (2, 1, 1)
    neighbors = skin_list()
    for _ in range(40):
        strain = np.eye(3) + rng.normal(scale=0.01, size=(3, 3))
        atoms.set_cell(atoms.cell @ strain, scale_atoms=scale_atoms)
        atoms.positions += rng.normal(scale=0.01, size=atoms.positions.shape)
        assert_fresh(neighbors, atoms)
    assert 1 < neighbors.num_searches < 40


def test_strain_of_many_images_is_not_missed() -> None:
    """One atom in a tiny cell: it never moves, and only the deformation of the cell brings images into reach."""
    neighbors = skin_list(skin=0.4)
    for length in np.linspace(1.0, 0.6, 30):
        assert_fresh(neighbors, Atoms("Cu", cell=[length, 1.1, 1.3], pbc=True))


def test_cell_that_changes_around_atoms_that_do_not_move() -> None:
    atoms = Atoms("Cu2", [[0, 0, 0], [35.5, 0, 0]], cell=[40, 40, 40], pbc=True)  # 4.5 A across the boundary
    neighbors = skin_list(skin=0.6)
    assert neighbors.graph(atoms).edge_index.shape == (2, 0)
    atoms.set_cell([38.8, 40, 40])
    assert_fresh(neighbors, atoms)
    assert neighbors.graph(atoms).edge_index.shape == (2, 2)


def test_changing_cell_of_a_slab() -> None:
    atoms = Atoms("Cu", cell=[[3, 0, 0], [0, 3, 0], [0, 0, 0]], pbc=[True, True, False])
    neighbors = skin_list()
    for length in (3.0, 2.9, 2.0):
        atoms.set_cell([[length, 0, 0], [0, 3, 0], [0, 0, 0]])
        assert_fresh(neighbors, atoms)


def test_small_strain_of_a_crystal_needs_no_search() -> None:
    atoms = bulk("Cu", cubic=True) * (2, 2, 2)
    neighbors = skin_list()
    neighbors.graph(atoms)
    atoms.set_cell(1.001 * atoms.cell, scale_atoms=True)
    assert_fresh(neighbors, atoms)
    assert neighbors.num_searches == 1


def test_drift_of_the_whole_needs_no_search() -> None:
    atoms = bulk("Cu", cubic=True)
    neighbors = skin_list()
    for _ in range(10):
        atoms.positions += [0.3, 0.2, 0.1]
        assert_fresh(neighbors, atoms)
    assert neighbors.num_searches == 1


def test_atoms_that_meet_after_the_search() -> None:
    """Two fragments far apart are brought together: edges appear that were no candidates."""
    atoms = Atoms("OCu", [[0, 0, 0], [20, 0, 0]])
    neighbors = skin_list()
    assert neighbors.graph(atoms).edge_index.shape == (2, 0)
    atoms.positions[1, 0] = 1.5
    assert_fresh(neighbors, atoms)
    assert neighbors.graph(atoms).edge_index.shape == (2, 2)


@pytest.mark.parametrize("skin", [-0.1, float("nan"), float("inf")])
def test_skin_must_be_a_length(skin: float) -> None:
    with pytest.raises(SimulationError, match="skin"):
        skin_list(skin)
