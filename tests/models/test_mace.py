"""MACE: sizes, normalization, body order, and what its configuration refuses."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from families.cases import REFERENCE_ENERGIES
from families.evaluation import energies, predict
from pydantic import ValidationError

from potentials.equivariant import Layout, SpeciesGroups, spherical_harmonics
from potentials.kernels import EdgeTopology
from potentials.models.mace import Features, Interaction, MACEConfig
from potentials.models.radial_functions import RadialFunctions
from potentials.potential import Potential

RESOLVED: dict[str, Any] = {
    "name": "mace",
    "cutoff": 3.5,
    "elements": ["H", "C", "O"],
    "average_neighbors": 5.0,
    "scale": 10.0,
    "shift": 0.0,
}
SMALL = {"channels": 3, "edge_degree": 2, "radial_mlp": [5]}


def config(**options: Any) -> MACEConfig:
    return MACEConfig(**{**RESOLVED, **SMALL, **options})


def potential(**options: Any) -> Potential:
    torch.manual_seed(0)
    return Potential(config(**options), REFERENCE_ENERGIES, "float64").eval()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"feature_degree": 2, "edge_degree": 1}, r"feature_degree: 2 exceeds edge_degree \(1\)"),
        ({"correlation": [3]}, r"correlation: expected one number or 2 \(one per layer\), got 1"),
        ({"correlation": [3, 2], "layers": 3}, r"expected one number or 3 \(one per layer\), got 2"),
        ({"correlation": 0}, "greater than or equal to 1"),
        ({"correlation": 4}, "expected at most 3, got 4: .* or the family ace"),
        ({"correlation": [1, 4]}, "expected at most 3, got 4"),
        ({"edge_degree": 5}, "less than or equal to 4"),
        ({"feature_degree": -1}, "greater than or equal to 0"),
        ({"channels": 0}, "greater than or equal to 1"),
        ({"layers": 0}, "greater than or equal to 1"),
        ({"radial_mlp": [16, 0]}, "greater than or equal to 1"),
        ({"readout_channels": 0}, "greater than or equal to 1"),
        ({"first_interaction": "resdual"}, "first_interaction"),
        ({"normalization": "none"}, "normalization"),
        ({"max_ell": 3}, "max_ell"),
        ({"radial": {"basis": "chebyshev", "trainable": True}}, "the Chebyshev basis has no parameters"),
        ({"scale": {"H": 1.0, "C": 1.0}}, "O"),
    ],
    ids=str,
)
def test_wrong_configurations(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        MACEConfig.model_validate({**RESOLVED, **options})


def test_correlation_of_each_layer() -> None:
    assert [config(correlation=2).correlation_of(layer) for layer in range(2)] == [2, 2]
    assert [config(correlation=[3, 1]).correlation_of(layer) for layer in range(2)] == [3, 1]


def test_number_of_parameters() -> None:
    """The default (64 channels, degree 1, edge degree 3, correlation 3, two layers) for three elements, by hand."""
    C, Z = 64, 3
    embedding = Z * C
    hidden = 8 * 64 + 64 * 64 + 64 * 64
    # Messages of scalars reach each degree once; those of scalars and vectors reach degrees 0 to 3 by 2, 3, 3, 2 paths.
    first = C * C + (hidden + 64 * 4 * C) + 4 * C * C + Z * C * C
    second = 2 * C * C + (hidden + 64 * 10 * C) + 10 * C * C + Z * C * C
    # Independent polynomials of degree 1, 2, 3: 1 + 4 + 8 scalars, 1 + 3 + 12 vectors (test_symmetric_products.py).
    products = (Z * (13 + 16) * C + 2 * C * C) + (Z * 13 * C + C * C)
    readouts = C + (C * 16 + 16)
    expected = embedding + first + second + products + readouts
    assert expected == 190608
    assert Potential(MACEConfig(**RESOLVED), REFERENCE_ENERGIES).num_parameters() == expected


def test_products_start_with_one_over_the_number_of_paths() -> None:
    torch.manual_seed(0)
    weights = MACEConfig(**{**RESOLVED, "channels": 2000, "layers": 1, "radial_mlp": []}).build().products[0].weights
    counts = np.repeat([1, 4, 8], [1, 4, 8])
    np.testing.assert_allclose(weights.detach().std(dim=(0, 2)), 1 / counts, rtol=0.05)


def test_an_isolated_atom_has_its_reference_energy_without_the_residual() -> None:
    model = potential(first_interaction="non-residual", normalization="density")
    for symbol, energy in REFERENCE_ENERGIES.items():
        assert predict(model, Atoms(symbol)).energy == pytest.approx([energy], abs=1e-12)
    assert predict(potential(), Atoms("H")).energy != pytest.approx([REFERENCE_ENERGIES["H"]], abs=1e-3)


def environment() -> tuple[torch.Tensor, torch.Tensor, EdgeTopology]:
    """Edge vectors, species and edges of four atoms, one of them alone."""
    pairs = [(i, j) for j, i in itertools.permutations(range(3), 2)]
    topology = EdgeTopology.from_edge_index(torch.tensor(pairs).T.contiguous(), 4)
    generator = torch.Generator().manual_seed(0)
    return torch.randn(6, 3, generator=generator, dtype=torch.float64), torch.tensor([0, 1, 2, 0]), topology


@pytest.mark.parametrize("residual", [True, False])
def test_density_normalization(residual: bool) -> None:
    """A message is divided by 1 + sum over its edges of tanh(d^2), d linear in the radial basis."""
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    layout = Layout.natural(1)
    average = Interaction(config(), layout, layout, residual)
    density = Interaction(config(normalization="density"), layout, layout, residual)
    torch.set_default_dtype(torch.float32)
    learned = [(n, p) for n, p in density.named_parameters() if not n.startswith("density")]
    density.load_state_dict(dict(average.named_parameters()), strict=False)
    assert [n for n, _ in learned] == [n for n, _ in average.named_parameters()]

    vectors, species, topology = environment()
    Y, values = spherical_harmonics(torch.nn.functional.normalize(vectors), 2), torch.randn(6, 8, dtype=torch.float64)
    basis = RadialFunctions(values, torch.zeros_like(values), torch.ones(6, 1, dtype=torch.float64), lambda r: (r, r))
    h = torch.randn(4, 4, 3, dtype=torch.float64)
    groups = SpeciesGroups.from_species(species, 3)
    features = Features(h, groups)
    (by_average, first), (by_density, second) = (
        block(features, Y, basis, groups, topology) for block in (average, density)
    )
    weight = density.density.weights[0].detach().numpy()[:, 0]
    edge_density = np.tanh((values.numpy() @ weight / np.sqrt(8)) ** 2)
    sums = np.array([edge_density[topology.receivers.numpy() == atom].sum() for atom in range(4)])
    assert sums[3] == 0
    expected = 5.0 * by_average.detach().numpy() / (1 + sums)[:, None, None]
    np.testing.assert_allclose(by_density.detach(), expected, rtol=1e-12, atol=1e-14)
    assert (first is None) == (second is None) == (not residual)


def test_average_neighbors_divides_messages() -> None:
    """One layer, correlation 1, is linear in the messages: twice the neighbors, half the interaction."""
    atoms = Atoms("COH", positions=[[0, 0, 0], [1.2, 0, 0], [0, 1.1, 0.3]])
    alone = [Atoms(symbol) for symbol in "COH"]
    interactions = []
    for average in (4.0, 8.0):
        model = potential(layers=1, correlation=1, feature_degree=0, average_neighbors=average)
        interactions.append(energies(model, [atoms])[0] - energies(model, alone).sum())
    assert abs(interactions[0]) > 1e-3
    np.testing.assert_allclose(interactions[1], 0.5 * interactions[0], rtol=1e-10)


def many_body_energy(model: Potential, atoms: Atoms) -> float:
    """What the energy of all atoms has that no smaller group of them has (inclusion and exclusion)."""
    groups = [group for size in range(1, len(atoms) + 1) for group in itertools.combinations(range(len(atoms)), size)]
    found = energies(model, [atoms[list(group)] for group in groups])
    return float(sum((-1) ** (len(atoms) - len(group)) * e for group, e in zip(groups, found, strict=True)))


@pytest.mark.parametrize("correlation", [1, 2, 3])
def test_body_order_is_correlation_plus_one(correlation: int) -> None:
    # One layer with a linear readout. Five atoms, all within the cutoff of each other.
    random = np.random.default_rng(0)
    atoms = Atoms("COHHO", positions=random.normal(scale=0.8, size=(5, 3)))
    model = potential(layers=1, correlation=correlation, feature_degree=0, average_neighbors=1.0)
    order = correlation + 1
    assert abs(many_body_energy(model, atoms[:order])) > 1e-4
    assert abs(many_body_energy(model, atoms[: order + 1])) < 1e-9


def test_layers_widen_the_view() -> None:
    """In a chain whose atoms see next neighbors only, the end sees as far as there are layers."""
    for layers in (1, 2, 3):
        model = potential(layers=layers)
        chain = [[2.5 * i, 0.3 * (i % 2), 0] for i in range(5)]
        before = Atoms("COHCO", positions=chain)
        changes = []
        for moved in range(1, 5):
            after = before.copy()
            after.positions[moved, 1] += 0.2
            first, second = predict(model, before), predict(model, after)
            changes.append(abs(first.node_energies[0] - second.node_energies[0]) > 1e-12)
        assert changes == [distance <= layers for distance in range(1, 5)]


def test_decay_parameters() -> None:
    """Weight decay acts on what follows the messages, the skip connections and the products (reference, "Defaults")."""
    for options in ({}, {"first_interaction": "non-residual", "normalization": "density"}):
        model = potential(**options)
        decayed = {id(parameter) for parameter in model.decay_parameters()}
        names = {name.removeprefix("model.") for name, p in model.named_parameters() if id(p) in decayed}
        kinds = {".".join([name.split(".")[0], name.split(".")[2]]) for name in names}
        assert kinds == {"interactions.linear", "interactions.skip", "products.weights", "products.linear"}
        every = {name.removeprefix("model.") for name, _ in model.named_parameters()}
        parts = ("interactions.0.linear.", "interactions.0.skip.", "interactions.1.linear.", "interactions.1.skip.")
        assert names == {name for name in every if name.startswith((*parts, "products."))}
        assert len(names) < len(every)
        assert len(model.decay_parameters()) == len(names)
