"""Allegro against its formulas, written out pair by pair with e3nn's couplings; what it sees and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from e3nn import o3
from families.cases import REFERENCE_ENERGIES
from families.evaluation import predict
from families.structures import ethanol
from pydantic import ValidationError

from potentials.data.graph import build_graph
from potentials.models.allegro import Allegro, AllegroConfig
from potentials.models.blocks import ScalarNetwork
from potentials.potential import Potential

RESOLVED: dict[str, Any] = {
    "name": "allegro",
    "cutoff": 3.0,
    "elements": ["H", "C", "O"],
    "average_neighbors": 5.0,
    "scale": 1.0,
    "shift": 0.0,
}
SMALL: dict[str, Any] = {"channels": 3, "scalar_channels": 4, "latent_mlp": [5], "readout_mlp": [6]}
Tensors = dict[tuple[int, int], np.ndarray]
"""For each (degree, parity) the components [2l + 1, channels]."""


def potential(**options: Any) -> Potential:
    torch.manual_seed(0)
    built = Potential(AllegroConfig(**{**RESOLVED, **SMALL, **options}), REFERENCE_ENERGIES, "float64").eval()
    with torch.no_grad():
        for name, parameter in built.named_parameters():
            if name.endswith("update"):
                parameter.fill_(0.3)
    return built


def apply(network: ScalarNetwork, x: np.ndarray) -> np.ndarray:
    """A perceptron in NumPy."""
    factor = network.activation.factor
    for layer, weight in enumerate(network.weights):
        if layer:
            x = factor * x / (1 + np.exp(-x))
        x = x @ weight.detach().numpy() / len(x) ** 0.5
    return x


def envelope(r: float, cutoff: float) -> float:
    x = r / cutoff
    return 1 - 28 * x**6 + 48 * x**7 - 21 * x**8


def couple(x: Tensors, y: Tensors, wanted: list[tuple[int, int]]) -> dict[tuple[int, int], list[np.ndarray]]:
    """All products that reach a wanted irrep, in the order of the blocks of x, then of y."""
    found: dict[tuple[int, int], list[np.ndarray]] = {}
    for degree, parity in wanted:
        for (l1, p1), a in x.items():
            for (l2, p2), b in y.items():
                if abs(l1 - l2) <= degree <= l1 + l2 and p1 * p2 == parity:
                    w = (2 * degree + 1) ** 0.5 * o3.wigner_3j(l1, l2, degree, dtype=torch.float64).numpy()
                    found.setdefault((degree, parity), []).append(np.einsum("ijk,ic,jc->kc", w, a, b))
    return found


def expected_energies(model: Allegro, config: AllegroConfig, atoms: Atoms) -> np.ndarray:
    """Node energies from pairs, one after the other."""
    natural = [(n, (-1) ** n) for n in range(config.degree + 1)]
    full = [(n, sign * (-1) ** n) for n in range(config.degree + 1) for sign in (1, -1)]
    species = ["HCO".index(symbol) for symbol in atoms.symbols]
    pairs = [(i, j) for i in range(len(atoms)) for j in range(len(atoms)) if i != j]
    pairs = [(i, j) for i, j in pairs if atoms.get_distance(i, j) < config.cutoff]
    root = config.average_neighbors**-0.5
    x, V, Y, u = {}, {}, {}, {}
    for i, j in pairs:
        r = atoms.get_distance(i, j)
        u[i, j] = envelope(r, config.cutoff)
        bessel = [(2 / config.cutoff) ** 0.5 * np.sin(n * np.pi * r / config.cutoff) / r for n in range(1, 9)]
        one_hot = np.eye(3)
        x[i, j] = apply(model.two_body, np.array([*one_hot[species[i]], *one_hot[species[j]], *bessel])) * u[i, j]
        direction = torch.tensor(atoms.positions[j] - atoms.positions[i])
        harmonics = o3.spherical_harmonics(list(range(config.degree + 1)), direction, True, "component").numpy()
        Y[i, j] = {irrep: harmonics[irrep[0] ** 2 : (irrep[0] + 1) ** 2] for irrep in natural}
        weights = apply(model.tensors, x[i, j]).reshape(config.degree + 1, -1)
        V[i, j] = {irrep: np.outer(Y[i, j][irrep], weights[irrep[0]]) for irrep in natural}
    for number, layer in enumerate(model.layers):
        left = config.layers - 1 - number
        wanted = [(0, 1)] if left == 0 else full if config.parity and left > 1 else natural
        environments: dict[int, Tensors] = {}
        for i, j in pairs:
            weights = root * apply(layer.environment.weights, x[i, j]).reshape(config.degree + 1, -1)
            for irrep in natural:
                total = environments.setdefault(i, {}).setdefault(irrep, np.zeros((2 * irrep[0] + 1, config.channels)))
                total += np.outer(Y[i, j][irrep], weights[irrep[0]])
        share = 1 / (1 + np.exp(-0.3))
        for i, j in pairs:
            products = couple(V[i, j], environments[i], wanted)
            invariants = np.concatenate([product[0] for product in products[0, 1]])
            change = apply(layer.latent, np.concatenate([x[i, j], invariants])) * u[i, j]
            x[i, j] = (x[i, j] + share * change) / (1 + share**2) ** 0.5
            if layer.mixing is None:
                continue
            V[i, j] = {}
            for (irrep, paths), matrix in zip(products.items(), layer.mixing.weights, strict=True):
                stacked = np.concatenate(paths, axis=1)
                V[i, j][irrep] = stacked @ matrix.detach().numpy() / stacked.shape[1] ** 0.5
    energies = np.array([REFERENCE_ENERGIES[symbol] for symbol in atoms.symbols])
    for i, j in pairs:
        energies[i] += root * apply(model.readout, x[i, j])[0]
    return energies


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize(
    "options",
    [{"degree": 1, "layers": 3}, {"degree": 2, "parity": False}, {"degree": 0, "layers": 1}],
    ids=["parity", "no parity", "scalars"],
)
def test_against_the_published_formulas(options: dict[str, Any]) -> None:
    built = potential(**options)
    atoms = ethanol()
    config = AllegroConfig(**{**RESOLVED, **SMALL, **options})
    expected = expected_energies(built.model, config, atoms)
    np.testing.assert_allclose(predict(built, atoms).node_energies, expected, rtol=1e-11)


def test_sees_one_cutoff_however_many_layers() -> None:
    built = potential(layers=3, degree=1)
    chain = Atoms("CCCH", positions=[[0, 0, 0], [2.5, 0, 0], [5.0, 0.3, 0], [7.4, 0, 0.2]])
    moved = chain.copy()
    moved.positions[2, 1] += 0.1
    first, second = predict(built, chain).node_energies, predict(built, moved).node_energies
    assert first[0] == second[0]
    assert (np.abs(first - second)[1:] > 1e-8).all()


def test_embedding_channels_of_the_dense_network() -> None:
    """Half of them for each atom; by default as many as scalars."""
    wide, default = (potential(scalars="dense", embedding_channels=width).model for width in (10, None))
    assert [tuple(model.sender_embedding.shape) for model in (wide, default)] == [(3, 5), (3, 2)]
    assert wide.two_body.sizes[0] == 10


@pytest.mark.parametrize("degree", [0, 1, 2])
@pytest.mark.parametrize("layers", [1, 2, 3, 5])
def test_tensors_of_the_dense_network_exist_and_matter(degree: int, layers: int) -> None:
    """Every weight of every product has a gradient."""
    built = potential(scalars="dense", degree=degree, layers=layers)
    energy = built.train()(build_graph(ethanol(), built.elements, built.cutoff)).energy.sum()
    energy.backward()
    for layer in built.model.layers:
        assert (layer.product.weights.grad != 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"degree": 5}, "less than or equal to 4"),
        ({"channels": 0}, "greater than or equal to 1"),
        ({"layers": 0}, "greater than or equal to 1"),
        ({"l_max": 2}, "l_max"),
        ({"parity": 1}, "parity"),
        ({"embedding_channels": 8}, "used only with scalars: dense"),
        ({"scalars": "dense", "embedding_channels": 7}, "multiple of 2"),
        (
            {"scalars": "dense", "scalar_channels": 5},
            "5 channels cannot be halved; give embedding_channels",
        ),
    ],
    ids=str,
)
def test_wrong_configurations(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        AllegroConfig.model_validate({**RESOLVED, **options})
