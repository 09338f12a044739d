"""PaiNN against its formulas, written out atom by atom, and what its radial functions become in dynamics."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from ase import Atoms
from families.cases import REFERENCE_ENERGIES
from families.evaluation import predict
from families.structures import ethanol

from potentials.models.painn import PaiNNConfig
from potentials.potential import Potential
from potentials.potential.compilation import compile_for_md

RESOLVED: dict[str, Any] = {
    "name": "painn",
    "cutoff": 3.0,
    "elements": ["H", "C", "O"],
    "average_neighbors": 1.0,
    "scale": 1.0,
    "shift": 0.0,
    "channels": 5,
    "layers": 2,
    "radial": {"size": 7, "envelope": "cosine"},
}


def potential(**changes: Any) -> Potential:
    """Random weights, biases among them."""
    torch.manual_seed(0)
    made = Potential(PaiNNConfig(**{**RESOLVED, **changes}), REFERENCE_ENERGIES, "float64").eval()
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if name.endswith("bias"):
                parameter.normal_()
    return made


class Published:
    """Equations 7 to 10 with the weights of a potential, by NumPy. Vectors are Cartesian: nothing here knows e3nn."""

    def __init__(self, made: Potential) -> None:
        named = made.named_parameters()
        self.weights = {name.removeprefix("model."): p.detach().numpy() for name, p in named}

    def dense(self, name: str, x: np.ndarray) -> np.ndarray:
        return self.weights[f"{name}.weight"] @ x + self.weights[f"{name}.bias"]

    def network(self, name: str, x: np.ndarray) -> np.ndarray:
        hidden = self.dense(f"{name}first", x)
        return self.dense(f"{name}second", hidden / (1 + np.exp(-hidden)))

    def energy(self, atoms: Atoms) -> float:
        s = [self.weights["embedding"]["HCO".index(symbol)] for symbol in atoms.symbols]
        v = [np.zeros((3, 5)) for _ in s]
        for layer in range(2):
            s, v = self.message(f"messages.{layer}.", atoms, s, v, has_vectors=layer > 0)
            pairs = [
                self.update(f"updates.{layer}.", s_i, v_i, is_last=layer == 1) for s_i, v_i in zip(s, v, strict=True)
            ]
            s, v = [s_i for s_i, _ in pairs], [v_i for _, v_i in pairs]
        return sum(float(self.network("", s_i)[0]) for s_i in s)

    def message(self, name: str, atoms: Atoms, s: list, v: list, has_vectors: bool) -> tuple[list, list]:
        new_s, new_v = [x.copy() for x in s], [x.copy() for x in v]
        for i in range(len(atoms)):
            for j in range(len(atoms)):
                r_ij = atoms.positions[i] - atoms.positions[j]
                r = np.linalg.norm(r_ij)
                if i == j or r >= 3.0:
                    continue
                functions = np.sqrt(2 / 3.0) * np.sin(np.arange(1, 8) * np.pi * r / 3.0) / r
                filters = self.dense(f"{name}filters.dense", functions) * 0.5 * (np.cos(np.pi * r / 3.0) + 1)
                sent = (self.network(name, s[j]) * filters).reshape(-1, 5)
                new_s[i] += sent[0]  # eq. 7
                new_v[i] += sent[1] * (r_ij / r)[:, None]  # eq. 8
                if has_vectors:
                    new_v[i] += sent[2] * v[j]
        return new_s, new_v

    def update(self, name: str, s: np.ndarray, v: np.ndarray, is_last: bool) -> tuple[np.ndarray, np.ndarray]:
        U, V = np.split(self.weights[f"{name}mixing.weight"].reshape(5, 10) / np.sqrt(5), 2, axis=1)
        Uv, Vv = v @ U, v @ V
        a = self.network(name, np.concatenate([s, np.sqrt((Vv**2).sum(0) + 0.01)])).reshape(-1, 5)
        s = s + a[0] + a[1] * (Uv * Vv).sum(0)  # eq. 9
        return s, v if is_last else v + a[2] * Uv  # eq. 10


def test_against_the_published_formulas() -> None:
    """Sums as published (average_neighbors 1), cosine cutoff; the softened norm and nothing else is ours."""
    made, atoms = potential(), ethanol()
    expected = Published(made).energy(atoms) + sum(REFERENCE_ENERGIES[symbol] for symbol in atoms.symbols)
    np.testing.assert_allclose(predict(made, atoms).energy[0], expected, rtol=0, atol=1e-10)


def test_filters_are_splines_in_dynamics() -> None:
    made, atoms = potential(scale=1e-4), ethanol()  # forces of a few eV/A
    compiled = compile_for_md(made)
    assert compiled.compilation is not None
    assert compiled.compilation.knots
    np.testing.assert_allclose(predict(compiled, atoms).forces, predict(made, atoms).forces, atol=1e-7)
