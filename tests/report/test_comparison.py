import numpy as np
import pytest
import torch
from ase.units import GPa
from toy_family import toy_potential

from potentials.data.graph import build_graph
from potentials.report.predictions.comparison import ENERGY, FORCES, STRESS, compare, errors
from potentials.report.predictions.evaluated import MOST_ATOMS, evaluate_splits, sampled_places


def evaluated(frames, elements=("Cu",)):
    potential = toy_potential(list(elements))
    return potential.eval(), evaluate_splits(potential.eval(), {"test": frames}, 1, 60.0)


def test_labels_and_predictions_belong_together(make_frame):
    frames = [make_frame("Cu4", 1), make_frame("Cu2", 2, forces=False), make_frame("Cu3", 3, energy=False)]
    potential, found = evaluated(frames)
    (part,) = found.splits
    forces = compare(part, FORCES)
    place = np.flatnonzero((forces.frame == 2) & (forces.atom == 1) & (forces.component == 2))
    assert len(place) == 1
    graph = build_graph(frames[2].frame.atoms, ["Cu"], potential.cutoff)
    predicted = potential(graph).forces.numpy()
    assert forces.label[place] == frames[2].forces[1, 2]
    assert forces.prediction[place] == pytest.approx(predicted[1, 2], abs=1e-12)
    assert forces.names(part, place) == ["frames.xyz, frame 3, atom 1 (Cu), z"]
    assert set(forces.frame) == {0, 2}
    energy = compare(part, ENERGY)
    assert energy.frame.tolist() == [0, 1]
    assert energy.label == pytest.approx([frames[0].energy / 4 + 1.0, frames[1].energy / 2 + 1.0])
    assert energy.names(part, np.array([1])) == ["frames.xyz, frame 2"]
    assert compare(part, STRESS) is None


def test_stresses_are_in_gpa(make_frame):
    frames = [make_frame("Cu4", 1, stress=True, pbc=True)]
    potential, found = evaluated(frames)
    stress = compare(found.splits[0], STRESS)
    predicted = potential(build_graph(frames[0].frame.atoms, ["Cu"], potential.cutoff), stress=True).stress[0].numpy()
    assert stress.label == pytest.approx(frames[0].stress.reshape(-1) / GPa)
    assert stress.prediction == pytest.approx(predicted.reshape(-1) / GPa)
    assert stress.names(found.splits[0], np.array([5])) == ["frames.xyz, frame 1, yz"]


def test_statistics_are_those_of_a_loop_and_of_the_error_table(make_frame):
    _, found = evaluated([make_frame("Cu4", seed, stress=True, pbc=True) for seed in range(9)])
    (part,) = found.splits
    table = part.evaluation.errors.errors
    for which, of_table, factor in (
        (ENERGY, table.energy_per_atom, 1),
        (FORCES, table.forces, 1),
        (STRESS, table.stress, GPa),
    ):
        compared = compare(part, which)
        statistics = errors(compared)
        differences = [p - r for p, r in zip(compared.prediction.tolist(), compared.label.tolist(), strict=True)]
        count = len(differences)
        mean = sum(compared.label.tolist()) / count
        total = sum((value - mean) ** 2 for value in compared.label.tolist())
        assert statistics.count == count == of_table.count
        assert statistics.mae == pytest.approx(sum(map(abs, differences)) / count)
        assert statistics.mae * factor == pytest.approx(of_table.mae)
        assert statistics.rmse == pytest.approx((sum(d * d for d in differences) / count) ** 0.5)
        assert statistics.rmse * factor == pytest.approx(of_table.rmse)
        assert statistics.r2 == pytest.approx(1 - sum(d * d for d in differences) / total)
        assert statistics.largest == max(map(abs, differences))
        assert abs(differences[statistics.largest_place]) == statistics.largest


def test_predictions_that_are_not_finite_are_counted_and_left_out(make_frame):
    frames = [make_frame("Cu4", seed) for seed in range(3)]
    potential = toy_potential(["Cu"]).eval()
    with torch.no_grad():
        potential.model.bias.fill_(torch.nan)
    (part,) = evaluate_splits(potential, {"test": frames}, 1, 60.0).splits
    assert errors(compare(part, ENERGY)) is None
    assert errors(compare(part, FORCES)).not_finite == 0


def test_frames_without_labels_or_with_unknown_elements_are_told_of(make_frame):
    frames = [make_frame("Cu4", 1), make_frame("CuAu", 2), make_frame("Cu2", 3, energy=False, forces=False)]
    _, found = evaluated(frames)
    assert found.splits[0].frames == [frames[0]]
    without, unknown = found.remarks
    assert "ignored frames without labels: 1 of 3" in without
    assert unknown.endswith(": 1 of 2")
    assert "(Au; supported: Cu)" in unknown
    assert evaluated(frames[1:])[1].splits == []


def test_samples_are_random_within_the_limit_and_the_same_again():
    sizes = np.full(9000, 20)
    places = sampled_places(sizes, 1, MOST_ATOMS)
    assert len(places) == MOST_ATOMS // 20
    assert (np.diff(places) > 0).all()
    assert places.mean() == pytest.approx(4500, rel=0.1)
    assert np.array_equal(places, sampled_places(sizes, 1, MOST_ATOMS))
    assert not np.array_equal(places, sampled_places(sizes, 2, MOST_ATOMS))
    assert sampled_places(np.array([10**6]), 1, MOST_ATOMS).tolist() == [0]
    assert sampled_places(np.array([3, 4]), 1, MOST_ATOMS).tolist() == [0, 1]


def test_of_a_large_part_a_sample_is_evaluated(make_frame, monkeypatch):
    monkeypatch.setattr("potentials.report.predictions.evaluated.MOST_ATOMS", 40)
    _, found = evaluated([make_frame("Cu4", seed) for seed in range(25)])
    (part,) = found.splits
    assert (len(part.frames), part.total, part.is_sample, part.count) == (10, 25, True, "10 of 25")
