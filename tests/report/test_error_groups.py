import numpy as np
import pytest
from ase.build import bulk, molecule
from toy_family import toy_potential

from potentials.report.predictions.error_groups import (
    NearestTraining,
    element_errors,
    force_bins,
    frame_energy_errors,
    frame_force_errors,
)
from potentials.report.predictions.evaluated import evaluate_splits


@pytest.fixture
def part(make_frame):
    frames = [make_frame("Cu5Au3", seed) for seed in range(20)]
    frames += [make_frame("Cu2", 30, forces=False), make_frame("Au2", 31, energy=False)]
    return evaluate_splits(toy_potential(["Cu", "Au"]).eval(), {"test": frames}, 1, 60.0).splits[0]


def pairs(part):
    """Of each atom with forces: symbol, label and prediction."""
    label, prediction = part.evaluation.parity.forces
    symbols = [symbol for frame in part.frames for symbol in frame.frame.atoms.get_chemical_symbols()]
    return [(symbol, r, p) for symbol, r, p in zip(symbols, label, prediction, strict=True) if not np.isnan(r).any()]


def test_errors_of_elements(part):
    found = {error.symbol: error for error in element_errors(part)}
    assert list(found) == ["Cu", "Au"]
    for symbol, error in found.items():
        chosen = [(r, p) for s, r, p in pairs(part) if s == symbol]
        differences = np.array([p - r for r, p in chosen])
        assert error.atoms == len(chosen)
        assert error.mae == pytest.approx(np.mean(np.abs(differences)))
        assert error.rmse == pytest.approx(np.mean(differences**2) ** 0.5)
        assert error.size == pytest.approx(np.mean(np.array([r for r, _ in chosen]) ** 2) ** 0.5)
        assert error.rmse == pytest.approx(part.evaluation.errors.elements[symbol].rmse)


def test_bins_of_forces(part):
    ordered = sorted(pairs(part), key=lambda pair: np.linalg.norm(pair[1]))
    bins = force_bins(part)
    assert sum(one.count for one in bins) >= len(ordered) - 4  # the largest percent are too few here
    first = ordered[: bins[0].count]
    assert bins[0].count == round(len(ordered) / 10)
    assert bins[0].force == pytest.approx(np.mean([np.linalg.norm(r) for _, r, _ in first]))
    lengths = [np.linalg.norm(p - r) for _, r, p in first]
    assert bins[0].error == pytest.approx(np.mean(lengths))
    assert bins[0].relative == pytest.approx(np.mean(lengths) / bins[0].force)
    assert bins[0].error_90 == pytest.approx(np.quantile(lengths, 0.9))
    assert [one.force for one in bins] == sorted(one.force for one in bins)


def test_errors_of_frames(part):
    forces, energies = frame_force_errors(part), frame_energy_errors(part)
    label, prediction = part.evaluation.parity.forces
    assert forces[3] == pytest.approx(np.mean((prediction - label)[24:32] ** 2) ** 0.5)
    assert np.isnan(forces).tolist() == [False] * 20 + [True, False]
    assert np.isnan(energies).tolist() == [False] * 21 + [True]
    energy = part.evaluation.parity.energy
    assert energies[20] == pytest.approx((energy[1][20] - energy[0][20]) / 2)


def rattled(atoms, scale, seed):
    moved = atoms.copy()
    moved.positions += np.random.default_rng(seed).normal(scale=scale, size=moved.positions.shape)
    return moved


@pytest.mark.parametrize("atoms", [molecule("CH3CH2OH"), bulk("Cu", cubic=True) * (2, 2, 2)], ids=["ethanol", "copper"])
def test_the_distance_is_that_of_a_displacement(atoms):
    train = [rattled(atoms, 0.1, seed) for seed in range(6)]
    nearest = NearestTraining(train, sorted(set(atoms.symbols), key=["H", "C", "O", "Cu"].index), 1)
    same = train[2].copy()
    same.rotate(40, (1, 2, 3), rotate_cell=True)
    assert nearest.distances([same]) == pytest.approx([0.0], abs=1e-6)
    near = [float(np.mean(nearest.distances([rattled(train[k], 0.01, 9 + k) for k in range(6)])))]
    assert near == pytest.approx([0.01], rel=0.5)
    distances = [float(nearest.distances([rattled(train[0], scale, 50)])[0]) for scale in (0.005, 0.02, 0.08)]
    assert distances == sorted(distances)


def test_other_compositions_and_atoms_without_neighbors_have_a_distance_or_none():
    train = [rattled(molecule("H2O"), 0.05, seed) for seed in range(3)]
    nearest = NearestTraining(train, ["H", "C", "O"], 1)
    assert nearest.distances([molecule("CH4")])[0] > 0.05
    alone = molecule("O")
    assert np.isfinite(nearest.distances([alone])).all()
    assert np.isnan(NearestTraining([alone], ["O"], 1).distances([alone])).all()
