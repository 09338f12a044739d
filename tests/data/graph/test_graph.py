"""Graphs and batches: fields, sorting, renumbering."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, fcc111, molecule

from potentials.data.graph import AtomicGraph, build_graph, build_labeled_graph, collate, graphs_from_frames
from potentials.data.label import LabeledFrame
from potentials.errors import DataError, UnknownElementError

ELEMENTS = ["H", "C", "O", "Cu"]
FLOATS = [
    "positions", "cell", "cell_shifts", "energy", "forces", "stress", "energy_weight", "forces_weight", "stress_weight",
]  # fmt: skip
INTEGERS = [
    "species", "edge_index", "receiver_degree", "sender_degree", "sender_order", "edge_pair", "pair_edges",
    "group", "frame_index",
]  # fmt: skip


def distorted(atoms: Atoms, seed: int = 0) -> Atoms:
    atoms.rattle(0.1, seed=seed)
    return atoms


@pytest.fixture
def graphs() -> list[AtomicGraph]:
    """A molecule, a crystal smaller than the cutoff, a slab, and an atom alone."""
    frames = [
        distorted(molecule("CH3CH2OH")),
        distorted(bulk("Cu") * (2, 1, 1)),
        distorted(fcc111("Cu", (1, 2, 2), vacuum=4.0)),
        Atoms("O"),
    ]
    return [build_graph(atoms, ELEMENTS, 4.0) for atoms in frames]


def test_fields_have_the_agreed_shapes_and_types() -> None:
    graph = build_graph(distorted(molecule("CH3CH2OH")), ELEMENTS, 4.0)
    num_edges = graph.edge_index.shape[1]
    shapes = {
        "positions": (9, 3), "cell": (1, 3, 3), "pbc": (1, 3), "species": (9,), "edge_index": (2, num_edges),
        "cell_shifts": (num_edges, 3), "receiver_degree": (9,), "sender_degree": (9,), "sender_order": (num_edges,),
        "edge_pair": (num_edges,), "pair_edges": (num_edges // 2, 2),
        "energy": (1,), "forces": (9, 3), "stress": (1, 3, 3), "energy_weight": (1,), "forces_weight": (1,),
        "stress_weight": (1,), "group": (1,), "frame_index": (1,),
    }  # fmt: skip
    assert {key: tuple(graph[key].shape) for key in shapes} == shapes
    assert {graph[key].dtype for key in FLOATS} == {torch.float64}
    assert {graph[key].dtype for key in INTEGERS} == {torch.int64}
    assert graph.pbc.dtype == torch.bool
    assert graph.num_nodes == 9
    assert num_edges > 0


def test_species_index_the_elements() -> None:
    graph = build_graph(molecule("H2O"), ["H", "C", "O"], 3.0)
    assert graph.species.tolist() == [2, 0, 0]


def test_the_cell_is_zero_where_not_periodic() -> None:
    graph = build_graph(fcc111("Cu", (1, 2, 2), vacuum=4.0), ELEMENTS, 3.0)
    assert graph.pbc.tolist() == [[True, True, False]]
    assert graph.cell[0, 2].tolist() == [0.0, 0.0, 0.0]
    assert graph.cell[0, 0, 0] > 0


def test_unlabeled_graph_has_nan_labels_and_unit_weights(graphs: list[AtomicGraph]) -> None:
    assert torch.isnan(torch.cat([graphs[0].energy, graphs[0].forces.flatten(), graphs[0].stress.flatten()])).all()
    assert (graphs[0].energy_weight, graphs[0].forces_weight, graphs[0].stress_weight) == (1, 1, 1)


@pytest.mark.parametrize("number", range(4))
def test_edges_are_sorted_and_counted(graphs: list[AtomicGraph], number: int) -> None:
    check_sorting(graphs[number])


def test_a_batch_keeps_the_sorting(graphs: list[AtomicGraph]) -> None:
    check_sorting(collate([graphs[i] for i in (2, 0, 3, 1, 0)]))


def check_sorting(graph: AtomicGraph) -> None:
    sender, receiver = graph.edge_index
    assert (receiver.diff() >= 0).all()
    assert sorted(graph.sender_order.tolist()) == list(range(len(sender)))
    assert (sender[graph.sender_order].diff() >= 0).all()
    pairs = graph.pair_edges
    assert sorted(pairs.flatten().tolist()) == list(range(len(sender)))
    assert torch.equal(graph.edge_pair[pairs], torch.arange(len(pairs))[:, None].expand(-1, 2))
    for this, other in (pairs.T, pairs.flip(1).T):
        assert torch.equal(graph.edge_index[:, this], graph.edge_index[:, other].flip(0))
        assert torch.equal(graph.cell_shifts[this], -graph.cell_shifts[other])
    # Row pointers made of the degrees point at exactly the edges of each atom.
    for atoms, degree in ((receiver, graph.receiver_degree), (sender[graph.sender_order], graph.sender_degree)):
        pointer = torch.cat([torch.zeros(1, dtype=torch.int64), degree.cumsum(0)])
        assert pointer[-1] == len(atoms)
        for atom in range(graph.num_nodes):
            assert (atoms[pointer[atom] : pointer[atom + 1]] == atom).all()


def test_a_batch_equals_its_members(graphs: list[AtomicGraph]) -> None:
    members = [graphs[i] for i in (0, 3, 1, 2)]
    batch = collate(members)
    assert batch.num_graphs == 4
    assert batch.batch.tolist() == [0] * 9 + [1] + [2] * 2 + [3] * 4
    assert batch.ptr.tolist() == [0, 9, 10, 12, 16]
    atom = edge = 0
    for number, member in enumerate(members):
        atoms, edges = slice(atom, atom + member.num_nodes), slice(edge, edge + member.edge_index.shape[1])
        assert torch.equal(batch.edge_index[:, edges] - atom, member.edge_index)
        assert torch.equal(batch.sender_order[edges] - edge, member.sender_order)
        assert torch.equal(batch.edge_pair[edges] - edge // 2, member.edge_pair)
        assert torch.equal(batch.pair_edges[edge // 2 : edges.stop // 2] - edge, member.pair_edges)
        assert torch.equal(batch.cell_shifts[edges], member.cell_shifts)
        for key in ("positions", "species", "receiver_degree", "sender_degree"):
            assert torch.equal(batch[key][atoms], member[key])
        for key in ("cell", "pbc", "energy_weight", "group", "frame_index"):
            assert torch.equal(batch[key][number], member[key][0])
        atom, edge = atoms.stop, edges.stop
    assert (atom, edge) == (batch.num_nodes, batch.edge_index.shape[1])


def test_edge_vectors_of_a_batch_stay_within_the_cutoff(graphs: list[AtomicGraph]) -> None:
    batch = collate(graphs)
    sender, receiver = batch.edge_index
    cells = batch.cell[batch.batch[sender]]
    vectors = batch.positions[receiver] - batch.positions[sender]
    vectors = vectors + torch.einsum("ei,eij->ej", batch.cell_shifts, cells)
    assert vectors.norm(dim=1).max() < 4.0
    assert torch.equal(batch.batch[sender], batch.batch[receiver])


def test_group_and_frame_index_are_not_renumbered(labeled: Callable[..., LabeledFrame]) -> None:
    frames = [labeled(molecule("H2O"), group=name) for name in ("wet", "dry", "wet")]
    batch = collate(graphs_from_frames(frames, ELEMENTS, 3.0))
    assert batch.group.tolist() == [1, 0, 1]  # in alphabetical order
    assert batch.frame_index.tolist() == [0, 1, 2]
    chosen = graphs_from_frames(frames, ELEMENTS, 3.0, groups=["wet", "other", "dry"])
    assert [int(graph.group) for graph in chosen] == [0, 2, 0]


def test_labels_and_weights_are_carried(labeled: Callable[..., LabeledFrame]) -> None:
    forces, stress = np.arange(9.0).reshape(3, 3), np.diag([1.0, 2.0, 3.0])
    frame = labeled(
        molecule("H2O"), energy=-5.0, forces=forces, stress=stress,
        weight=2.0, energy_weight=3.0, forces_weight=5.0, stress_weight=7.0,
    )  # fmt: skip
    graph = build_labeled_graph(frame, ELEMENTS, 3.0)
    assert graph.energy.tolist() == [-5.0]
    np.testing.assert_array_equal(graph.forces, forces)
    np.testing.assert_array_equal(graph.stress[0], stress)
    assert (graph.energy_weight.item(), graph.forces_weight.item(), graph.stress_weight.item()) == (6.0, 10.0, 14.0)


def test_unknown_element_names_what_is_known() -> None:
    with pytest.raises(UnknownElementError, match="C2H6O contains O; the model supports H, C"):
        build_graph(molecule("CH3CH2OH"), ["H", "C"], 3.0)


def test_errors_of_labeled_frames_name_file_and_frame(labeled: Callable[..., LabeledFrame]) -> None:
    with pytest.raises(UnknownElementError, match=r"^a\.xyz, frame 7: "):
        build_labeled_graph(labeled(molecule("H2O"), index=7, file="a.xyz"), ["H"], 3.0)
    with pytest.raises(DataError, match=r"^a\.xyz, frame 8: .*set pbc to false"):
        build_labeled_graph(labeled(Atoms("H", pbc=True), index=8, file="a.xyz"), ["H"], 3.0)


def test_the_graph_does_not_share_memory_with_the_atoms() -> None:
    atoms = molecule("H2O")
    graph = build_graph(atoms, ELEMENTS, 3.0)
    before = graph.positions.clone()
    atoms.positions += 1.0
    assert torch.equal(graph.positions, before)
