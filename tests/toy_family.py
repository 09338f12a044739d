"""A family with learnable parameters that trains in milliseconds, and runs with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

import potentials.models  # noqa: F401  (registers the families)
from potentials.config import FamilyConfig, RunConfig, parse_config, register_family
from potentials.config.families import _FAMILIES
from potentials.potential import Potential


class ToyConfig(FamilyConfig):
    """e_i = b_z + sum over edges to i of a smooth function of the distance."""

    name: Literal["toy"] = "toy"
    functions: int = 6
    noise: float = 0.0
    """Random numbers used while training, as a family with dropout would."""
    anisotropy: float = 0.0
    """How much more an edge along z counts."""

    @property
    def broken_symmetry(self):
        return ("rotations", "of its anisotropy") if self.anisotropy else None

    def build(self) -> nn.Module:
        return ToyModel(self)


class ToyModel(nn.Module):
    def __init__(self, config: ToyConfig) -> None:
        super().__init__()
        self.cutoff = config.cutoff
        self.noise = config.noise
        self.anisotropy = config.anisotropy
        self.coefficients = nn.Parameter(torch.linspace(-0.5, 0.5, config.functions))
        self.bias = nn.Parameter(torch.zeros(len(config.elements)))
        self.register_buffer("centers", torch.linspace(1.0, config.cutoff, config.functions))

    def forward(self, vectors: Tensor, species: Tensor, topology: Any) -> Tensor:
        distances = torch.linalg.vector_norm(vectors, dim=1)
        basis = torch.exp(-2.0 * (distances[:, None] - self.centers) ** 2)
        edge = torch.tanh(basis @ self.coefficients) * (1 - distances / self.cutoff).clamp(min=0) ** 3
        if self.anisotropy:
            edge = edge * (1 + self.anisotropy * (vectors[:, 2] / distances) ** 2)
        if self.training and self.noise:
            edge = edge * (1 + self.noise * torch.randn_like(edge))
        node = self.bias[species]
        return node.index_add(0, topology.receivers, edge)

    def decay_parameters(self) -> list[nn.Parameter]:
        return [self.coefficients]


def register_toy() -> None:
    """Make `name: toy` known in configurations and model files."""
    register_family("toy", ToyConfig, ToyModel)


def forget_toy() -> None:
    """Other tests list the families and must not see it."""
    del _FAMILIES["toy"]


def toy_potential(elements: list[str], precision: str = "float64", **changes: Any) -> Potential:
    options = {"cutoff": 4.0, "average_neighbors": 10.0, "scale": 1.0, "shift": 0.0, **changes}
    config = ToyConfig.model_validate({"elements": elements, **options})
    return Potential(config, dict.fromkeys(elements, -1.0), precision)


def toy_run(folder: Path, name: str = "run", **changes: Any) -> RunConfig:
    """A run of four epochs of seven steps on copper frames; `changes` are overrides with `__` for dots."""
    text = f"""
run: {folder}/{name}
data:
  train: builtin:copper@1:40
  validation: 6
  test: 5
  stress: stress
  batch_size: 4
model: {{name: toy, cutoff: 4.0}}
loss:
  energy: {{weight: 1}}
  forces: {{weight: 10}}
  stress: {{weight: 100}}
train: {{max_epochs: 4, precision: float32, accelerator: cpu}}
"""
    return parse_config(text, overrides=[f"{key.replace('__', '.')}={value}" for key, value in changes.items()])


SECOND_STAGE = {
    "train__second_stage": "{start: 2, loss: {energy: {weight: 500}, forces: {weight: 10}}, learning_rate: 0.001}",
    "train__max_epochs": 5,
}
