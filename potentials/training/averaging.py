"""Exponential moving average (EMA) of the weights, used for validation and export.

Lightning's `WeightAveraging` is similar, but it also averages constant buffers (or leaves them to torch's
`AveragedModel`, which copies the whole module with its data), loops over parameters one by one, and leaves the averaged
weights in the model if validation raises an exception.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


class ExponentialMovingAverage:
    """Exponential moving average (EMA) of weights w.

    a <- d_n a + (1 - d_n) w after the n-th optimizer step, d_n = min(decay, (1 + n) / (10 + n)), a_0 = w_0.

    The smaller decay in early steps, as in TensorFlow's ExponentialMovingAverage and torch_ema, reduces the influence
    of the initial weights. Only parameters are averaged. Buffers are constants of the architecture and are not changed.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], decay: float) -> None:
        self.parameters: list[Tensor] = [parameter for parameter in parameters if parameter.requires_grad]
        self.decay = decay
        self.num_updates = 0
        self.averages: list[Tensor] = [parameter.detach().clone() for parameter in self.parameters]

    @torch.no_grad()
    def update(self) -> None:
        """Update the averages with the current weights."""
        self.num_updates += 1
        decay = min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))
        torch._foreach_lerp_(self.averages, self.parameters, 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange weights and averages; a second call restores both bitwise."""
        weights = [parameter.detach().clone() for parameter in self.parameters]
        torch._foreach_copy_(self.parameters, self.averages)
        torch._foreach_copy_(self.averages, weights)

    def to(self, device: torch.device) -> None:
        """Move the averages to a device."""
        self.averages = [average.to(device) for average in self.averages]

    def state_dict(self) -> dict[str, Any]:
        """Return the state for `load_state_dict`, which restores it exactly."""
        return {"num_updates": self.num_updates, "averages": [average.clone() for average in self.averages]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a saved state."""
        self.num_updates = state["num_updates"]
        for average, saved in zip(self.averages, state["averages"], strict=True):
            average.copy_(saved)
