"""The measured error under rotations: rounding for exact families, finite and honest for a grid."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from families.cases import Case, cases
from families.evaluation import predict
from families.structures import ELEMENTS, ethanol
from slow_cases import slow_but

from potentials.data.batch.batch_limits import BatchLimit
from potentials.data.graph import AtomicGraph, build_graph
from potentials.data.graph.rotations import random_rotations
from potentials.evaluation import symmetry
from potentials.evaluation.symmetry import ORIENTATIONS, rotation_error
from potentials.potential.clusters import rattled_cluster

GRID = next(case for case in cases() if str(case) == "ponita orientations")


def graphs_of(cutoff: float) -> list[AtomicGraph]:
    return [build_graph(atoms, ELEMENTS, cutoff) for atoms in (ethanol(), rattled_cluster(ELEMENTS, 1.0))]


EXACT = [case for case in cases() if str(case) != str(GRID) and case.variant.reflections]
ONLY_ROTATIONS = [case for case in cases() if not case.variant.reflections]


@pytest.mark.parametrize("case", slow_but(EXACT, "mace invariant", "schnet bessel"))
def test_exact_families(case: Case) -> None:
    potential = case.potential()
    assert potential.config.exactly_symmetric
    error = rotation_error(potential, graphs_of(potential.cutoff))
    assert error.forces < 1e-11 * error.force_size
    assert error.energy_per_atom < 1e-10


@pytest.mark.parametrize("case", ONLY_ROTATIONS, ids=str)
def test_families_that_change_by_reflections(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exact under rotations; the error under rotations and reflections is that of the reflections."""
    potential = case.potential()
    broken = potential.config.broken_symmetry
    assert broken is not None
    assert broken[0] == "reflections"
    graphs = graphs_of(potential.cutoff)
    error = rotation_error(potential, graphs)
    assert error.forces > 1e-6 * error.force_size
    matrices = random_rotations(2 * ORIENTATIONS, np.random.default_rng(5))
    proper = matrices * torch.linalg.det(matrices)[:, None, None]
    monkeypatch.setattr(symmetry, "random_rotations", lambda *_: proper)
    error = rotation_error(potential, graphs)
    assert error.forces < 1e-11 * error.force_size
    assert error.energy_per_atom < 1e-10


def test_a_grid_of_orientations(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same as the spread over structures turned with ASE one by one, and forces turned back."""
    potential = GRID.potential()
    assert not potential.config.exactly_symmetric
    structures = [ethanol(), rattled_cluster(ELEMENTS, 1.0)]
    rotations = random_rotations(2 * ORIENTATIONS, np.random.default_rng(3))
    monkeypatch.setattr(symmetry, "random_rotations", lambda *_: rotations)
    energies, forces = [], []
    for atoms, matrices in zip(structures, np.split(rotations.numpy(), 2), strict=True):
        predictions = []
        for q in matrices:
            turned = atoms.copy()
            turned.positions = np.einsum("ij,aj->ai", q, atoms.positions)
            predictions.append(predict(potential, turned))
        energies.append([float(prediction.energy[0]) / len(atoms) for prediction in predictions])
        forces.append([prediction.forces @ q for prediction, q in zip(predictions, matrices, strict=True)])
    error = rotation_error(potential, graphs_of(potential.cutoff))
    assert error.frames == 2
    assert error.energy_per_atom == pytest.approx(np.sqrt(np.mean(np.std(energies, axis=1) ** 2)), rel=1e-9)
    spread = np.concatenate([np.std(of_frame, axis=0) for of_frame in forces])
    assert error.forces == pytest.approx(np.sqrt(np.mean(spread**2)), rel=1e-9)
    means = np.concatenate([np.mean(of_frame, axis=0) for of_frame in forces])
    assert error.force_size == pytest.approx(np.sqrt(np.mean(means**2)), rel=1e-9)
    assert error.forces > 1e-3 * error.force_size


def test_batches_have_no_influence() -> None:
    potential = GRID.potential()
    graphs = graphs_of(potential.cutoff)
    found = [rotation_error(potential, graphs, limit=BatchLimit("frames", size)) for size in (1, 2)]
    assert found[0].forces == pytest.approx(found[1].forces, rel=1e-9)


def test_of_many_frames_some_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(symmetry, "_MOST_FRAMES", 3)
    seen: list[float] = []

    def predictions(potential, batch, rotations):
        seen.extend(batch.frame_index.tolist())
        return torch.zeros(1, batch.num_graphs), torch.zeros(1, batch.num_nodes, 3)

    monkeypatch.setattr(symmetry, "_predictions", predictions)
    graphs = [build_graph(ethanol(), ELEMENTS, 3.0) for _ in range(8)]
    for index, graph in enumerate(graphs):
        graph.frame_index = torch.tensor([index])
    assert rotation_error(GRID.potential(), graphs).frames == 3
    assert seen == [0, 2, 5]
