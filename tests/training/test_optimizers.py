"""Optimizer groups, and learning rates against their formulas and torch's own schedules."""

from __future__ import annotations

import math

import pytest
import torch
from toy_family import toy_potential

from potentials.config.train import ConstantSchedule, CosineSchedule, OptimizerConfig, PlateauSchedule
from potentials.training.optimizers import LearningRate, Patience, build_optimizer

CONSTANT = ConstantSchedule(name="constant")


def test_weight_decay_acts_on_the_parameters_the_family_names():
    potential = toy_potential(["Cu"])
    optimizer = build_optimizer(potential, OptimizerConfig(name="adamw", weight_decay=0.25))
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert decays == {id(potential.model.coefficients): 0.25, id(potential.model.bias): 0.0}
    assert all(group["amsgrad"] for group in optimizer.param_groups)


@pytest.mark.parametrize(("name", "oracle"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_steps_are_those_of_torchs_plain_loop(name, oracle):
    ours, theirs = toy_potential(["Cu"]), toy_potential(["Cu"])
    settings = OptimizerConfig(name=name, weight_decay=0.1, learning_rate=0.02, betas=[0.8, 0.99])
    optimizer = build_optimizer(ours, settings)
    groups = [{"params": [theirs.model.coefficients], "weight_decay": 0.1}, {"params": [theirs.model.bias]}]
    reference = oracle(groups, lr=0.02, betas=(0.8, 0.99), amsgrad=True, weight_decay=0.0, foreach=False, fused=False)
    torch.manual_seed(0)
    for _ in range(20):
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        optimizer.step()
        reference.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_constant_with_warmup_in_fractions_of_an_epoch():
    rate = LearningRate(ConstantSchedule(name="constant", warmup_epochs=0.5), 0.3, max_epochs=3, steps_per_epoch=8)
    assert [rate.at(step) for step in range(6)] == pytest.approx([0.075, 0.15, 0.225, 0.3, 0.3, 0.3])
    assert LearningRate(CONSTANT, 0.3, 3, 8).at(0) == 0.3


def test_cosine_is_torchs_after_the_warmup():
    schedule = CosineSchedule(warmup_epochs=1.0, final_fraction=0.1)
    rate = LearningRate(schedule, 0.2, max_epochs=5, steps_per_epoch=10)
    assert [rate.at(step) for step in range(10)] == pytest.approx([0.02 * (step + 1) for step in range(10)])
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.2)
    oracle = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=40, eta_min=0.02)
    for step in range(10, 51):
        assert rate.at(step) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9), step
        optimizer.step()
        oracle.step()
    assert rate.at(50) == pytest.approx(0.02)
    assert rate.at(60) == pytest.approx(0.02)


def test_cosine_without_warmup_starts_at_the_full_rate():
    rate = LearningRate(CosineSchedule(warmup_epochs=0.0), 0.2, max_epochs=2, steps_per_epoch=5)
    assert rate.at(0) == 0.2
    assert rate.at(5) == pytest.approx(0.2 * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi / 2))))


def test_plateau_is_torchs():
    """torch's `patience` allows that many bad validations; ours is the one at which the rate falls."""
    losses = [5, 4, 4, 4.1, 3, 3.5, 3.5, 3.5, 3.2, 3.1, 3.01, 2, 2.5, 2.5, 2.5, 2.5, 2.5, 2.5, 2.5, 2.5, 2.5, 2.5]
    schedule = PlateauSchedule(name="plateau", factor=0.5, patience=3, minimum=0.15)
    rate = LearningRate(schedule, 1.0, max_epochs=100, steps_per_epoch=1)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    oracle = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=2, threshold=0.0, min_lr=0.15)
    seen = set()
    for step, loss in enumerate(losses):
        rate.observe(loss)
        oracle.step(loss)
        seen.add(rate.at(step))
        assert rate.at(step) == pytest.approx(optimizer.param_groups[0]["lr"]), step
    assert seen == {1.0, 0.5, 0.25, 0.15}


def test_a_new_stage_holds_its_rate_and_forgets_the_plateau():
    rate = LearningRate(PlateauSchedule(name="plateau", factor=0.5, patience=1), 1.0, max_epochs=9, steps_per_epoch=1)
    for loss in (1.0, 2.0):
        rate.observe(loss)
    assert rate.at(5) == 0.5
    rate.new_stage(None)
    rate.observe(100.0)
    assert rate.at(6) == 0.5
    rate.new_stage(0.003)
    assert rate.at(7) == 0.003


@pytest.mark.parametrize(
    "schedule", [CONSTANT, CosineSchedule(), PlateauSchedule(name="plateau", factor=0.5, patience=2)]
)
def test_state_goes_on_exactly(schedule):
    losses = [3, 2, 4, 4, 4, 1, 2, 2, 2, 2]

    def course(stop: int | None) -> list[float]:
        rate = LearningRate(schedule, 0.1, max_epochs=10, steps_per_epoch=1)
        rates = []
        for step, loss in enumerate(losses):
            if step == stop:
                state = rate.state_dict()
                rate = LearningRate(schedule, 0.1, max_epochs=10, steps_per_epoch=1)
                rate.load_state_dict(state)
            rate.observe(loss)
            rates.append(rate.at(step))
        return rates

    assert course(None) == course(4)


def test_patience_counts_validations_without_improvement():
    patience = Patience(3, minimum_improvement=0.5)
    answers = [patience.exhausted_by(loss) for loss in (4.0, 3.6, 3.4, 3.3, 3.2, 3.1)]
    # 3.6 is no improvement by more than 0.5; 3.4 is; then three in a row are not.
    assert answers == [False, False, False, False, False, True]


def test_epsilon_holds_small_gradients_back():
    """The first step of Adam is lr g / (|g| + epsilon)."""
    for epsilon, factor in ((1e-8, 1.0), (1.0, 0.5)):
        potential = toy_potential(["Cu"])
        optimizer = build_optimizer(potential, OptimizerConfig(epsilon=epsilon, amsgrad=False))
        parameter = next(p for p in potential.parameters() if p.requires_grad)
        before = parameter.detach().clone()
        parameter.grad = torch.ones_like(parameter)
        optimizer.step()
        torch.testing.assert_close(before - parameter.detach(), torch.full_like(before, 0.01 * factor))
