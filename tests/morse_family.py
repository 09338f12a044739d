"""A pair potential as a model family: quick, exact, and known in closed form, for tests of what uses potentials.

The formula and the cutoff are those of `ase.calculators.morse.MorsePotential`, so that calculator is the oracle.
"""

from pathlib import Path
from typing import Literal

import pytest
import torch
from ase.calculators.morse import MorsePotential
from torch import Tensor, nn

from potentials.config.families import _FAMILIES, FamilyConfig
from potentials.config.train import Precision
from potentials.kernels import EdgeTopology
from potentials.potential import Potential
from potentials.potential.model_file import save

# Copper-like: well depth in eV, equilibrium distance in A, stiffness; smooth cutoff from 4 A to 5 A.
EPSILON, R0, RHO0 = 0.3429, 2.866, 3.894
INNER, CUTOFF = 4.0, 5.0
REFERENCE_ENERGIES = {"O": -7.5, "Cu": -3.0}


class MorseConfig(FamilyConfig):
    name: Literal["morse"] = "morse"
    cutoff: float = CUTOFF
    epsilon: float = EPSILON

    def build(self) -> "Morse":
        return Morse(self)


class Morse(nn.Module):
    def __init__(self, config: MorseConfig) -> None:
        super().__init__()
        self.cutoff = config.cutoff
        self.epsilon = nn.Parameter(torch.tensor(config.epsilon))

    def forward(self, vectors: Tensor, species: Tensor, topology: EdgeTopology) -> Tensor:
        distances = torch.linalg.vector_norm(vectors, dim=1)
        decay = torch.exp(-RHO0 * (distances / R0 - 1))
        s = (1 - (distances - INNER) / (self.cutoff - INNER)).clamp(0, 1)
        pairs = 0.5 * self.epsilon * (decay**2 - 2 * decay) * (6 * s**5 - 15 * s**4 + 10 * s**3)
        return pairs.new_zeros(len(species)).index_add(0, topology.receivers, pairs)

    def decay_parameters(self) -> list[nn.Parameter]:
        return []


def morse_potential(precision: Precision = "float64", epsilon: float = EPSILON) -> Potential:
    """A `Potential` of oxygen and copper whose pairs are all Morse pairs."""
    config = MorseConfig(elements=["O", "Cu"], average_neighbors=1.0, scale=1.0, shift=0.0, epsilon=epsilon)
    return Potential(config, REFERENCE_ENERGIES, precision).eval()


def save_morse(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model file that can be loaded until the end of the test; other tests list the families and must not see it."""
    monkeypatch.setitem(_FAMILIES, "morse", MorseConfig)
    save(morse_potential(), path)
    return path


def morse_oracle() -> MorsePotential:
    """The same pairs by ASE, without the energies of isolated atoms."""
    return MorsePotential(epsilon=EPSILON, r0=R0, rho0=RHO0, rcut1=INNER / R0, rcut2=CUTOFF / R0)
