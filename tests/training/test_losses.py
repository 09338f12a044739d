"""The loss against figures worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from ase import Atoms
from toy_family import toy_potential

from potentials.config import LossConfig
from potentials.data.graph import GraphBatch, collate, graphs_from_frames
from potentials.data.label import LabeledFrame
from potentials.data.read import Frame
from potentials.potential import Prediction
from potentials.training.losses import combine, loss_sums, loss_terms, property_weights

NAN = math.nan


def labeled(energy=NAN, forces=NAN, stress=NAN, atoms=2, **weights) -> LabeledFrame:
    structure = Atoms("Cu" * atoms, positions=[[2.3 * i, 0, 0] for i in range(atoms)], cell=[9, 9, 9], pbc=True)
    return LabeledFrame(
        Frame(structure, "here.xyz", 0),
        energy=energy,
        forces=np.broadcast_to(np.asarray(forces, dtype=float), (atoms, 3)).copy(),
        stress=np.broadcast_to(np.asarray(stress, dtype=float), (3, 3)).copy(),
        **weights,
    )


def batch_of(*frames: LabeledFrame) -> GraphBatch:
    return collate(graphs_from_frames(frames, ["Cu"], 4.0))


def prediction(energy, forces=None, stress=None) -> Prediction:
    return Prediction(
        energy=torch.tensor(energy, dtype=torch.float64),
        node_energies=torch.zeros(0),
        forces=None if forces is None else torch.tensor(forces),
        stress=None if stress is None else torch.tensor(stress),
    )


def loss(predicted: Prediction, batch: GraphBatch, **config) -> float:
    settings = LossConfig.model_validate(config)
    return float(combine(*loss_sums(predicted, batch, settings), property_weights(settings)))


ONLY_ENERGY = {"forces": {"weight": 0.0}}


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("mse", (0.3**2 + 0.01**2) / 2),
        ("mae", (0.3 + 0.01) / 2),
        # delta = 0.1: the first error is beyond it, the second within.
        ("huber", (0.1 * (0.3 - 0.05) + 0.5 * 0.01**2) / 2),
    ],
)
def test_functions_of_the_energy_error(function, expected):
    batch = batch_of(labeled(1.0), labeled(2.0))
    energy = {"weight": 1.0, "function": function, "huber_delta": 0.1, "per_atom": False}
    assert loss(prediction([1.3, 1.99]), batch, energy=energy, **ONLY_ENERGY) == pytest.approx(expected, rel=1e-12)


def test_energy_per_atom_is_divided_before_the_square():
    batch = batch_of(labeled(1.0, atoms=2), labeled(2.0, atoms=3))
    expected = 7.0 * ((0.4 / 2) ** 2 + (0.9 / 3) ** 2) / 2
    assert loss(prediction([1.4, 1.1]), batch, energy={"weight": 7.0}, **ONLY_ENERGY) == pytest.approx(expected)


def test_weights_multiply_the_squares_and_do_not_normalize():
    batch = batch_of(labeled(0.0, weight=2.0, energy_weight=3.0), labeled(0.0))
    energy = {"weight": 1.0, "per_atom": False}
    assert loss(prediction([1.0, 1.0]), batch, energy=energy, **ONLY_ENERGY) == pytest.approx((6.0 + 1.0) / 2)


def test_missing_labels_do_not_count():
    # Of twelve force components nine are known, of eighteen stress components one.
    forces = np.full((2, 3), 0.5)
    forces[1] = NAN
    stress = np.full((3, 3), NAN)
    stress[0, 1] = 0.25
    batch = batch_of(labeled(1.0, forces, stress, forces_weight=4.0), labeled(NAN, np.zeros((2, 3))))
    predicted = prediction([1.0, 5.0], np.zeros((4, 3)), np.zeros((2, 3, 3)))
    assert loss(predicted, batch, energy={"weight": 1.0}, forces={"weight": 0.0}) == 0.0
    only_forces = {"energy": {"weight": 0.0}, "forces": {"weight": 1.0}}
    assert loss(predicted, batch, **only_forces) == pytest.approx(4.0 * 3 * 0.25 / 9)
    only_stress = {"energy": {"weight": 0.0}, "forces": {"weight": 0.0}, "stress": {"weight": 2.0}}
    assert loss(predicted, batch, **only_stress) == pytest.approx(2.0 * 0.25**2)


def test_property_without_any_label_contributes_nothing():
    batch = batch_of(labeled(1.0), labeled(3.0))
    predicted = prediction([1.5, 3.0], np.ones((4, 3)), np.full((2, 3, 3), NAN))
    everything = {"energy": {"weight": 1.0, "per_atom": False}, "forces": {"weight": 9.0}, "stress": {"weight": 9.0}}
    assert loss(predicted, batch, **everything) == pytest.approx(0.125)
    nothing = batch_of(labeled(), labeled())
    assert loss(predicted, nothing, **everything) == 0.0


def test_sums_of_batches_add_up():
    frames = [labeled(float(i), i * 0.1, atoms=2 + i % 2) for i in range(5)]
    frames[2] = labeled(NAN, 0.3)
    config = LossConfig()
    weights = property_weights(config)
    torch.manual_seed(0)
    energy, forces = torch.randn(5, dtype=torch.float64).tolist(), torch.randn(13, 3, dtype=torch.float64)
    atoms = [len(frame.frame.atoms) for frame in frames]
    assert sum(atoms) == 12
    ends = np.cumsum([0, *atoms])
    whole = loss_sums(prediction(energy, forces[:12].numpy()), batch_of(*frames), config)
    parts = [
        loss_sums(prediction(energy[a:b], forces[ends[a] : ends[b]].numpy()), batch_of(*frames[a:b]), config)
        for a, b in ((0, 1), (1, 4), (4, 5))
    ]
    sums, counts = (sum(part[i] for part in parts) for i in range(2))
    assert torch.equal(counts, whole[1])
    torch.testing.assert_close(combine(sums, counts, weights), combine(*whole, weights), rtol=1e-14, atol=0)


def test_energy_difference_is_taken_in_double_precision():
    # At -20000 eV float32 resolves 2 meV; the difference here is a tenth of that.
    batch = batch_of(labeled(-20000.0))
    energy = {"weight": 1.0, "function": "mae", "per_atom": False}
    assert loss(prediction([-20000.0002]), batch, energy=energy, **ONLY_ENERGY) == pytest.approx(2e-4, rel=1e-6)


@pytest.mark.parametrize("function", ["mse", "mae", "huber"])
def test_gradients_are_those_of_the_labeled_entries_alone(function):
    """A batch with gaps has the gradient of the batch whose gaps were cut out; NaN does not leak through the mask."""
    potential = toy_potential(["Cu"]).train()
    term = {"weight": 1.0, "function": function}
    config = LossConfig.model_validate({"energy": term, "forces": term, "stress": term})
    weights = property_weights(config)
    full = labeled(1.0, 0.1, 0.01)
    molecule = labeled(NAN, NAN, NAN, atoms=3)
    molecule.frame.atoms.pbc = False  # predicts a stress of NaN

    def gradients(*frames: LabeledFrame) -> list[torch.Tensor]:
        batch = batch_of(*frames)
        value = combine(*loss_sums(potential(batch, forces=True, stress=True), batch, config), weights)
        return list(torch.autograd.grad(value, list(potential.parameters()), allow_unused=True))

    with_gaps, without = gradients(full, molecule), gradients(full)
    for a, b in zip(with_gaps, without, strict=True):
        assert a is not None
        assert torch.isfinite(a).all()
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-15)
    assert any(gradient.abs().max() > 0 for gradient in with_gaps)


def test_gradient_without_any_label_is_zero():
    potential = toy_potential(["Cu"]).train()
    config = LossConfig()
    batch = batch_of(labeled(), labeled())
    value = combine(*loss_sums(potential(batch), batch, config), property_weights(config))
    for gradient in torch.autograd.grad(value, list(potential.parameters()), allow_unused=True):
        assert gradient is None or torch.equal(gradient, torch.zeros_like(gradient))


@pytest.mark.parametrize("function", ["mse", "mae", "huber"])
@pytest.mark.parametrize("processes", [2, 3, 4, 7])
def test_mean_over_processes_is_the_loss_of_the_whole_batch(processes, function):
    """Also where a property has fewer labeled entries than there are processes, here one energy and one stress."""
    forces = np.full((2, 3), NAN)
    forces[0, 1] = 0.4
    stress = np.full((3, 3), NAN)
    stress[2, 2] = 0.03
    frames = [labeled(2.0, energy_weight=3.0), labeled(NAN, forces, forces_weight=0.5), labeled(NAN, NAN, stress)]
    frames += [labeled() for _ in range(processes)]
    term = {"weight": 2.0, "function": function, "huber_delta": 0.1}
    config = LossConfig.model_validate({"energy": term, "forces": {**term, "weight": 5.0}, "stress": term})
    weights = property_weights(config)

    def sums_of(part: list[LabeledFrame]) -> tuple[torch.Tensor, torch.Tensor]:
        zeros = prediction([0.0] * len(part), np.zeros((2 * len(part), 3)), np.zeros((len(part), 3, 3)))
        return loss_sums(zeros, batch_of(*part), config)

    sums, counts = zip(*(sums_of(frames[rank::processes]) for rank in range(processes)), strict=True)
    shared = torch.stack(counts).sum(0) / processes
    assert shared.tolist() == [1 / processes] * 3
    mean = torch.stack([loss_terms(own, shared, weights) for own in sums]).mean(0)
    error = {
        "mse": lambda e: e**2,
        "mae": abs,
        "huber": lambda e: 0.5 * e**2 if abs(e) < 0.1 else 0.1 * (abs(e) - 0.05),
    }[function]
    # One entry each; the energy is divided by two atoms first.
    expected = [2.0 * 3.0 * error(1.0), 5.0 * 0.5 * error(0.4), 2.0 * error(0.03)]
    np.testing.assert_allclose(mean.numpy(), expected, rtol=1e-12)
