"""Errors against numpy, whatever the batches."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from ase.build import bulk
from toy_family import toy_potential

from potentials.data.graph import collate, graphs_from_frames
from potentials.data.label.labels import LabeledFrame
from potentials.data.read import Frame
from potentials.evaluation.metrics import Error, ErrorSums, PropertyErrors

ELEMENTS = ["O", "Cu"]
GROUPS = ["bulk", "empty", "rattled"]


def frames_with_gaps() -> list[LabeledFrame]:
    """Nine frames of one to four atoms with labels missing here and there."""
    random = np.random.default_rng(0)
    frames = []
    for index in range(9):
        atoms = bulk("Cu", cubic=True)[: 1 + index % 4]
        atoms.symbols[0] = "O" if index % 2 else "Cu"
        atoms.rattle(0.1, seed=index)
        forces = random.normal(size=(len(atoms), 3))
        if index == 3:
            forces[1] = math.nan
        if index == 4:
            forces[:] = math.nan
        stress = random.normal(size=(3, 3)) if index % 3 == 0 else np.full((3, 3), math.nan)
        energy = math.nan if index == 5 else random.normal()
        frames.append(LabeledFrame(Frame(atoms, "x", index), energy, forces, stress, group=GROUPS[2 * (index % 2)]))
    return frames


@pytest.fixture(scope="module")
def setting():
    potential = toy_potential(ELEMENTS).eval()
    frames = frames_with_gaps()
    return potential, frames, graphs_from_frames(frames, ELEMENTS, potential.cutoff, GROUPS)


def accumulate(potential, graphs, batch_size: int) -> ErrorSums:
    sums = ErrorSums(len(GROUPS), len(ELEMENTS))
    for start in range(0, len(graphs), batch_size):
        batch = collate(graphs[start : start + batch_size])
        sums.update(potential(batch, forces=True, stress=True), batch)
    return sums


def oracle(differences: list[np.ndarray]) -> Error | None:
    flat = np.concatenate([np.ravel(difference) for difference in differences])
    flat = flat[~np.isnan(flat)]
    if not len(flat):
        return None
    return Error(np.abs(flat).mean(), np.sqrt((flat**2).mean()), len(flat))


def same(found: Error | None, expected: Error | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return found.count == expected.count and np.allclose([found.mae, found.rmse], [expected.mae, expected.rmse], 1e-12)


def differences(potential, frames, graphs) -> list[dict[str, np.ndarray]]:
    result = []
    for frame, graph in zip(frames, graphs, strict=True):
        predicted = potential(collate([graph]), forces=True, stress=True)
        energy = predicted.energy.numpy() - frame.energy
        result.append(
            {
                "energy": energy,
                "energy_per_atom": energy / len(frame.frame.atoms),
                "forces": predicted.forces.numpy() - frame.forces,
                "stress": predicted.stress.detach().numpy()[0] - frame.stress,
            }
        )
    return result


@pytest.mark.parametrize("batch_size", [1, 2, 9])
def test_errors_are_numpys_for_every_batch_size(setting, batch_size):
    potential, frames, graphs = setting
    sums = accumulate(potential, graphs, batch_size)
    per_frame = differences(potential, frames, graphs)
    for name in ("energy", "energy_per_atom", "forces", "stress"):
        assert same(getattr(sums.errors(), name), oracle([entry[name] for entry in per_frame])), name


def test_groups_and_elements(setting):
    potential, frames, graphs = setting
    sums = accumulate(potential, graphs, 4)
    per_frame = differences(potential, frames, graphs)
    groups = sums.group_errors(GROUPS)
    assert list(groups) == ["bulk", "rattled"]
    for group, errors in groups.items():
        members = [entry for entry, frame in zip(per_frame, frames, strict=True) if frame.group == group]
        for name in ("energy", "forces", "stress"):
            assert same(getattr(errors, name), oracle([entry[name] for entry in members])), (group, name)
    elements = sums.element_errors(ELEMENTS)
    for symbol in ELEMENTS:
        rows = [
            entry["forces"][np.array(frame.frame.atoms.get_chemical_symbols()) == symbol]
            for entry, frame in zip(per_frame, frames, strict=True)
        ]
        assert same(elements[symbol], oracle(rows)), symbol


def test_what_has_no_label_is_not_measured(setting):
    potential, _, graphs = setting
    only_missing_energy = accumulate(potential, [graphs[5]], 1).errors()
    assert only_missing_energy.energy is None
    assert only_missing_energy.energy_per_atom is None
    assert only_missing_energy.stress is None
    assert only_missing_energy.forces is not None


def test_adding_up_over_processes(setting):
    """Two processes with half of the frames each hold what one with all of them does."""
    potential, _, graphs = setting
    whole, first, second = (accumulate(potential, part, 3) for part in (graphs, graphs[::2], graphs[1::2]))
    others = iter([second.groups, second.elements])
    first.reduce(lambda mine: mine + next(others))
    torch.testing.assert_close(first.groups, whole.groups, rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(first.elements, whole.elements, rtol=1e-13, atol=1e-15)


def test_errors_survive_json():
    from dataclasses import asdict

    errors = PropertyErrors(Error(1.0, 2.0, 3), None, Error(0.1, 0.2, 9), None)
    assert PropertyErrors.from_dict(asdict(errors)) == errors
