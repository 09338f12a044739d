"""The moving average against its closed form."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from potentials.training.averaging import ExponentialMovingAverage


def trajectory(steps: int) -> list[float]:
    return [0.3 * n * n - n for n in range(steps)]


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.999])
def test_closed_form(decay):
    """a_n = sum_k w_k (1 - d_k) prod_{j > k} d_j + w_0 prod_j d_j, with the early decay (1 + n) / (10 + n)."""
    values = trajectory(40)
    parameter = nn.Parameter(torch.tensor([values[0]], dtype=torch.float64))
    average = ExponentialMovingAverage([parameter], decay)
    decays = [min(decay, (1 + n) / (10 + n)) for n in range(1, len(values))]
    for value in values[1:]:
        parameter.data.fill_(value)
        average.update()
    expected = values[0] * torch.tensor(decays).double().prod()
    for k, value in enumerate(values[1:]):
        rest = torch.tensor(decays[k + 1 :], dtype=torch.float64).prod()
        expected = expected + value * (1 - decays[k]) * rest
    torch.testing.assert_close(average.averages[0], expected.reshape(1), rtol=1e-6, atol=1e-6)


def test_a_constant_is_its_own_average():
    parameter = nn.Parameter(torch.full((3,), 0.1))
    average = ExponentialMovingAverage([parameter], 0.99)
    for _ in range(1000):
        average.update()
    torch.testing.assert_close(average.averages[0], parameter.detach(), rtol=1e-6, atol=0)


def test_swapping_twice_changes_nothing():
    torch.manual_seed(0)
    parameters = [nn.Parameter(torch.randn(5)), nn.Parameter(torch.randn(2, 3))]
    average = ExponentialMovingAverage(parameters, 0.9)
    for parameter in parameters:
        parameter.data.mul_(1.7)
    average.update()
    weights, averages = ([tensor.detach().clone() for tensor in tensors] for tensors in (parameters, average.averages))
    average.swap()
    for parameter, expected in zip(parameters, averages, strict=True):
        assert torch.equal(parameter, expected)
    average.swap()
    for parameter, expected in zip(parameters, weights, strict=True):
        assert torch.equal(parameter, expected)
    for kept, expected in zip(average.averages, averages, strict=True):
        assert torch.equal(kept, expected)


def test_state_goes_on_exactly():
    def run(stop: int | None) -> torch.Tensor:
        parameter = nn.Parameter(torch.zeros(4))
        average = ExponentialMovingAverage([parameter], 0.97)
        for n, value in enumerate(trajectory(30)):
            if n == stop:
                state = average.state_dict()
                average = ExponentialMovingAverage([parameter], 0.97)
                average.load_state_dict(state)
            parameter.data.fill_(value)
            average.update()
        return average.averages[0]

    assert torch.equal(run(None), run(11))


def test_frozen_parameters_stay_out():
    frozen = nn.Parameter(torch.zeros(1), requires_grad=False)
    assert ExponentialMovingAverage([frozen, nn.Parameter(torch.ones(1))], 0.9).averages[0].item() == 1.0
