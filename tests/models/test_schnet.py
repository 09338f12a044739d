"""SchNet against its formulas, written out atom by atom, and what its configuration refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from families.cases import REFERENCE_ENERGIES
from families.evaluation import predict
from families.structures import ethanol
from pydantic import ValidationError

from potentials.models.schnet import SchNetConfig
from potentials.potential import Potential

RESOLVED: dict[str, Any] = {
    "name": "schnet",
    "cutoff": 3.0,
    "elements": ["H", "C", "O"],
    "average_neighbors": 1.0,
    "scale": 1.0,
    "shift": 0.0,
}


def test_against_the_published_formulas() -> None:
    """Sums as published (average_neighbors 1), cosine cutoff; weights taken from the model, the rest by NumPy."""
    torch.manual_seed(0)
    radial = {"basis": "gaussian", "size": 9, "envelope": "cosine"}
    config = SchNetConfig(**RESOLVED, channels=5, layers=2, radial=radial)
    potential = Potential(config, REFERENCE_ENERGIES, "float64").eval()
    with torch.no_grad():
        for name, parameter in potential.named_parameters():
            if name.endswith("bias"):
                parameter.normal_()
    weights = {name.removeprefix("model."): p.detach().numpy() for name, p in potential.named_parameters()}

    def dense(name: str, x: np.ndarray) -> np.ndarray:
        return weights[f"{name}.weight"] @ x + weights.get(f"{name}.bias", 0.0)

    def activation(x: np.ndarray) -> np.ndarray:
        return np.log(0.5 * np.exp(x) + 0.5)

    atoms = ethanol()
    features = [weights["embedding"]["HCO".index(symbol)] for symbol in atoms.symbols]
    centers = np.linspace(0, 3.0, 9)
    for layer in ("interactions.0", "interactions.1"):
        updated = []
        for i in range(len(atoms)):
            message = np.zeros(5)
            for j in range(len(atoms)):
                r = atoms.get_distance(i, j)
                if i == j or r >= 3.0:
                    continue
                gaussians = np.exp(-0.5 * ((r - centers) / (centers[1] - centers[0])) ** 2)
                hidden = activation(dense(f"{layer}.filters.first", gaussians))
                filters = dense(f"{layer}.filters.second", hidden) * 0.5 * (np.cos(np.pi * r / 3.0) + 1)
                message += filters * dense(f"{layer}.sent", features[j])
            change = dense(f"{layer}.second", activation(dense(f"{layer}.first", message)))
            updated.append(features[i] + change)
        features = updated
    energies = [dense("second", activation(dense("first", x)))[0] for x in features]
    expected = np.array(energies) + [REFERENCE_ENERGIES[symbol] for symbol in atoms.symbols]
    np.testing.assert_allclose(predict(potential, atoms).node_energies, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 0}, "greater than or equal to 1"),
        ({"layers": 0}, "greater than or equal to 1"),
        ({"degree": 1}, "degree"),
        ({"radial_mlp": [8]}, "radial_mlp"),
    ],
    ids=str,
)
def test_wrong_configurations(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SchNetConfig.model_validate({**RESOLVED, **options})
