"""Rotations and reflections: uniform, reproducible, and the same for structures and labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from potentials.data.graph import AtomicGraph, build_graph, collate, frame_rotations, random_rotations, rotated
from potentials.data.read import read_frames


def test_matrices_are_uniform_on_the_orthogonal_group():
    """Half of them proper; angles of rotation have the density (1 - cos a) / pi, images of an axis are anywhere."""
    q = random_rotations(4000, np.random.default_rng(5)).numpy()
    np.testing.assert_allclose(q @ q.transpose(0, 2, 1), np.broadcast_to(np.eye(3), q.shape), atol=1e-14)
    determinants = np.linalg.det(q)
    assert abs((determinants > 0).mean() - 0.5) < 0.03
    proper = q * determinants[:, None, None]
    angles = np.arccos(np.clip((np.trace(proper, axis1=1, axis2=2) - 1) / 2, -1, 1))
    assert kstest(angles, lambda a: (a - np.sin(a)) / np.pi).pvalue > 0.01
    # A component of a uniform unit vector is uniform between -1 and 1 (Archimedes).
    for row in range(3):
        for column in range(3):
            assert kstest(q[:, row, column], lambda z: (z + 1) / 2).pvalue > 0.001


def test_a_frame_has_its_own_rotation_in_each_epoch_whatever_comes_with_it():
    several = frame_rotations(3, 5, [7, 0, 2])
    assert torch.equal(several[1], frame_rotations(3, 5, [0])[0])
    everything = torch.cat([frame_rotations(seed, epoch, range(5)) for seed in (1, 2) for epoch in (0, 1, 2)])
    distances = torch.cdist(everything.flatten(1), everything.flatten(1)) + 9 * torch.eye(len(everything))
    assert distances.min() > 0.05
    assert not torch.equal(several[1], random_rotations(1, np.random.Generator(np.random.PCG64([3, 5])))[0])


def turned_frames() -> tuple[AtomicGraph, AtomicGraph, np.ndarray]:
    """A batch of a surface and a bulk crystal turned as graphs, and the same turned with ASE before."""
    frames = [read_frames("builtin:copper@200")[0].atoms, read_frames("builtin:copper@1")[0].atoms]
    rotations = frame_rotations(0, 0, [0, 1])
    if torch.det(rotations[0]) > 0:
        rotations[0] *= -1
    turned = []
    for atoms, q in zip(frames, rotations.numpy(), strict=True):
        atoms = atoms.copy()
        atoms.set_cell(atoms.cell.array @ q.T)
        atoms.positions = atoms.positions @ q.T
        turned.append(build_graph(atoms, ["Cu"], 4.0))
    batch = collate([build_graph(atoms, ["Cu"], 4.0) for atoms in frames])
    return rotated(batch, rotations), collate(turned), rotations.numpy()


def test_graphs_are_those_of_turned_structures():
    found, expected, _ = turned_frames()
    for name in ("positions", "cell"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-13)
    for graph in (found, expected):
        senders, receivers = graph.edge_index
        vectors = graph.positions[receivers] - graph.positions[senders]
        vectors = vectors + (graph.cell_shifts[:, None] @ graph.cell[graph.batch[senders]]).squeeze(1)
        graph.order = np.lexsort(np.round(torch.cat([vectors, graph.edge_index.T], dim=1).numpy(), 6).T)
        graph.vectors = vectors[graph.order]
    np.testing.assert_allclose(found.vectors, expected.vectors, atol=1e-12)


def test_labels_turn_as_a_vector_and_a_tensor_and_the_batch_stays():
    graph = build_graph(read_frames("builtin:copper@1")[0].atoms, ["Cu"], 4.0)
    random = np.random.default_rng(0)
    graph.forces = torch.from_numpy(random.normal(size=graph.forces.shape))
    graph.stress = torch.from_numpy(random.normal(size=(1, 3, 3)))
    graph.forces[2, 1] = graph.energy[0] = torch.nan
    batch = collate([graph])
    rotations = frame_rotations(0, 1, [0])
    q = rotations[0].numpy()
    before = batch.clone()
    turned = rotated(batch, rotations)
    expected = graph.forces.numpy() @ q.T
    assert np.isnan(expected[2]).all()
    np.testing.assert_allclose(turned.forces, expected, atol=1e-14)
    np.testing.assert_allclose(turned.stress[0], np.einsum("ia,ab,jb->ij", q, graph.stress[0], q), atol=1e-14)
    for name, values in before:
        np.testing.assert_array_equal(batch[name], values)


@pytest.mark.parametrize("missing", [(0, 1), (2, 2)])
def test_a_stress_with_a_missing_component_is_missing(missing):
    graph = build_graph(read_frames("builtin:copper@1")[0].atoms, ["Cu"], 4.0)
    graph.stress = torch.ones(1, 3, 3, dtype=torch.float64)
    graph.stress[0][missing] = torch.nan
    assert rotated(collate([graph]), frame_rotations(0, 1, [0])).stress.isnan().all()
