"""A batch is its members, side by side."""

from __future__ import annotations

import numpy as np
import torch
from ase import Atoms
from families.evaluation import Result, assert_close, predict
from families.structures import STRUCTURES, crystal, ethanol, water

from potentials.data.graph import build_graph, collate
from potentials.kernels import EdgeTopology
from potentials.potential import Potential, edge_vectors


def members() -> list[Atoms]:
    """Of all sizes and periodicities, with atoms without neighbors first, last and in between."""
    return [
        Atoms("O"),
        *(build() for build in STRUCTURES.values()),
        Atoms("H"),
        water(),
        Atoms("C", cell=[9] * 3, pbc=1),
    ]


def test_a_batch_equals_its_members(potential: Potential) -> None:
    structures = members()
    batch = predict(potential, *structures)
    single = [predict(potential, atoms) for atoms in structures]
    for name in Result._fields:
        expected = np.concatenate([getattr(result, name) for result in single])
        assert_close(getattr(batch, name), expected, 1e-12)


def test_the_order_of_a_batch_does_not_matter(potential: Potential) -> None:
    structures = members()
    forward, backward = predict(potential, *structures), predict(potential, *structures[::-1])
    assert_close(backward.energy[::-1], forward.energy, 1e-12)
    assert_close(backward.stress[::-1], forward.stress, 1e-12)


def test_no_gradient_across_frames(potential: Potential) -> None:
    structures = [ethanol(), crystal(), water()]
    batch = collate([build_graph(atoms, potential.elements, potential.cutoff) for atoms in structures])
    topology = EdgeTopology.from_edge_index(batch.edge_index, batch.num_nodes)
    vectors = edge_vectors(batch).requires_grad_()
    node_energies = potential.model(vectors, batch.species, topology)
    frame_of_edge = batch.batch[batch.edge_index[0]]
    assert torch.equal(frame_of_edge, batch.batch[batch.edge_index[1]])
    for frame in range(len(structures)):
        energy = node_energies[batch.batch == frame].sum()
        (gradient,) = torch.autograd.grad(energy, vectors, retain_graph=True)
        assert gradient[frame_of_edge != frame].abs().max() == 0
        assert gradient[frame_of_edge == frame].abs().max() > 0


def test_other_frames_do_not_matter(potential: Potential) -> None:
    moved = water()
    moved.positions[0] += 0.1
    before, after = predict(potential, ethanol(), water()), predict(potential, ethanol(), moved)
    assert_close(after.forces[:9], before.forces[:9], 1e-14)
    assert np.abs(after.forces[9:] - before.forces[9:]).max() > 1e-3
