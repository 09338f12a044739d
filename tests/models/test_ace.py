"""Linear ACE against sums over neighbors written out, its derivatives, and what its configuration refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from e3nn import o3
from families.cases import REFERENCE_ENERGIES
from families.evaluation import predict
from families.structures import crystal, ethanol
from pydantic import ValidationError

from potentials.data.graph import build_graph
from potentials.errors import PotentialsError
from potentials.models.ace import ACEConfig, ace_products
from potentials.potential import Potential, edge_topology, edge_vectors

RESOLVED: dict[str, Any] = {"name": "ace", "cutoff": 3.0, "elements": ["H", "C", "O"], "average_neighbors": 4.0}


def ace(**options: Any) -> Potential:
    torch.manual_seed(0)
    return Potential(ACEConfig(**RESOLVED, **options), REFERENCE_ENERGIES, "float64").eval().requires_grad_(False)


def test_against_sums_over_neighbors() -> None:
    """A, pairs and triples of it, species by species; radial functions, harmonics and 3j symbols from elsewhere."""
    potential = ace(correlation=3, polynomial_degree=6, angular_degree=2, radial={"size": 3, "envelope": "cosine"})
    coefficients = potential.model.coefficients.numpy()
    atoms = ethanol()
    expected = []
    for i in range(len(atoms)):
        A = np.zeros((9, 9))
        for j in range(len(atoms)):
            r = atoms.get_distance(i, j)
            if i == j or r >= 3.0:
                continue
            n = np.arange(1, 4)
            radial = np.sqrt(2 / 3.0) * np.sin(n * np.pi * r / 3.0) / r * 0.5 * (1 + np.cos(np.pi * r / 3.0)) / 2.0
            direction = torch.tensor(atoms.get_distance(j, i, vector=True))
            Y = o3.spherical_harmonics([0, 1, 2], direction, normalize=True, normalization="component").numpy()
            z = "HCO".index(atoms.symbols[j])
            A[:, 3 * z : 3 * z + 3] += Y[:, None] * radial
        blocks = {degree: A[degree**2 : (degree + 1) ** 2] for degree in range(3)}
        values = []
        for factors, _ in ace_products(potential.config):
            a = [blocks[factor.degree][:, factor.channel] for factor in factors]
            if len(a) == 1:
                values.append(a[0][0])
            elif len(a) == 2:
                values.append(a[0] @ a[1] / np.sqrt(len(a[0])))
            else:
                table = o3.wigner_3j(*(factor.degree for factor in factors), dtype=torch.float64).numpy()
                values.append(np.einsum("i,j,k,ijk", *a, table))
        z = "HCO".index(atoms.symbols[i])
        expected.append(coefficients[z] @ np.array(values) + REFERENCE_ENERGIES[atoms.symbols[i]])
    np.testing.assert_allclose(predict(potential, atoms).node_energies, expected, rtol=1e-12)


def test_products_within_their_total_degree() -> None:
    config = ACEConfig(**RESOLVED, correlation=3, polynomial_degree=[5, 6, 4], angular_degree=2, radial={"size": 4})
    products = ace_products(config)
    totals: dict[int, set[int]] = {}
    for factors, _ in products:
        total = sum(factor.degree + factor.channel % 4 + 1 for factor in factors)
        totals.setdefault(len(factors), set()).add(total)
        assert all(factor.degree <= 2 for factor in factors)
    assert {order: max(found) for order, found in totals.items()} == {1: 4, 2: 6, 3: 4}
    assert len(set(products)) == len(products)


@pytest.mark.parametrize("atoms", [ethanol(), crystal()], ids=["molecule", "crystal"])
def test_derivatives_of_the_basis(atoms: Atoms) -> None:
    potential = ace(correlation=4, polynomial_degree=[6, 6, 5, 5], angular_degree=3, radial={"size": 4})
    graph = build_graph(atoms, potential.elements, potential.cutoff)
    topology, vectors = edge_topology(graph), edge_vectors(graph)

    def total(x: torch.Tensor) -> torch.Tensor:
        # With edges that share no distances, so that each has a derivative of its own.
        return potential.model.basis(x, graph.species, topology.directed()).sum(dim=0)

    expected = torch.autograd.functional.jacobian(total, vectors).permute(1, 2, 0)
    edges = slice(3, 17)
    found = potential.model.basis_derivatives(vectors, graph.species, topology, edges)
    torch.testing.assert_close(found, expected[edges], rtol=1e-9, atol=1e-9 * float(expected.abs().max()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"correlation": 5}, "less than or equal to 4"),
        ({"correlation": 2, "polynomial_degree": [4, 4, 4]}, "expected one number or 2 .* got 3"),
        ({"readout_mlp": [16]}, "readout_mlp.*linear in its basis.*raise polynomial_degree or correlation"),
        ({"radial": {"trainable": True}}, "only fits linear coefficients"),
        ({"regularization": 0}, "greater than 0"),
        ({"channels": 8}, "channels"),
    ],
    ids=str,
)
def test_wrong_configurations(options: dict[str, Any], message: str) -> None:
    with pytest.raises((ValidationError, PotentialsError, ValueError), match=message):
        ACEConfig(**RESOLVED, **options)


def test_too_many_functions_are_refused() -> None:
    config = ACEConfig(**RESOLVED, correlation=4, polynomial_degree=30)
    with pytest.raises(PotentialsError, match="more than 20000 coefficients for 3 elements; lower polynomial_degree"):
        config.build()


@pytest.mark.parametrize(
    "options",
    [
        {"polynomial_degree": 10**9, "radial": {"size": 65_536}},
        {"polynomial_degree": [1, 1, 10**9], "radial": {"size": 65_536}},
        {"polynomial_degree": 10**9, "radial": {"size": 100}},
        {"correlation": 2, "polynomial_degree": [10**9, 60], "angular_degree": 8, "radial": {"size": 60}},
    ],
    ids=str,
)
def test_endless_bases_are_refused_before_they_are_listed(options: dict[str, Any]) -> None:
    with pytest.raises(PotentialsError, match="more than 20000 coefficients"):
        ACEConfig(**RESOLVED, **options).build()
