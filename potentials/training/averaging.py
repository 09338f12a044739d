"""The exponential moving average of the weights, with which models are validated and exported.

Lightning's `WeightAveraging` would do most of this, but it averages constant buffers too (or leaves them to torch's
`AveragedModel`, which copies the whole module with its data), loops over parameters one by one, and an exception
during validation leaves the averaged weights where the trained ones belong.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


class ExponentialMovingAverage:
    """a <- d_n a + (1 - d_n) w after the n-th optimizer step, d_n = min(decay, (1 + n) / (10 + n)), a_0 = w_0.

    The same early decay as in TensorFlow's ExponentialMovingAverage and torch_ema, so that the start is forgotten.
    Only parameters are averaged. Buffers are constants of the architecture, and the model keeps its own.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], decay: float) -> None:
        self.parameters: list[Tensor] = [parameter for parameter in parameters if parameter.requires_grad]
        self.decay = decay
        self.num_updates = 0
        self.averages: list[Tensor] = [parameter.detach().clone() for parameter in self.parameters]

    @torch.no_grad()
    def update(self) -> None:
        """Take the present weights into the average."""
        self.num_updates += 1
        decay = min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))
        torch._foreach_lerp_(self.averages, self.parameters, 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange weights and averages; a second call puts both back, to the bit."""
        weights = [parameter.detach().clone() for parameter in self.parameters]
        torch._foreach_copy_(self.parameters, self.averages)
        torch._foreach_copy_(self.averages, weights)

    def to(self, device: torch.device) -> None:
        """Move the averages to where the weights have gone."""
        self.averages = [average.to(device) for average in self.averages]

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to go on exactly."""
        return {"num_updates": self.num_updates, "averages": [average.clone() for average in self.averages]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a saved state."""
        self.num_updates = state["num_updates"]
        for average, saved in zip(self.averages, state["averages"], strict=True):
            average.copy_(saved)
