"""Models under `torch.func`: derivatives of energies against those of reverse mode, for every family."""

from __future__ import annotations

import pytest
import torch
from ase.build import bulk
from torch import Tensor

import potentials.models  # noqa: F401  (enters the families)
from potentials.config import family_config
from potentials.config.families import families
from potentials.data.graph import build_graph
from potentials.potential import Potential, edge_topology, edge_vectors


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(families()))
def test_forward_mode_and_forward_over_reverse(family: str) -> None:
    torch.manual_seed(0)
    config = {"name": family, "cutoff": 3.0, "elements": ["Si"], "average_neighbors": 4.0, "scale": 1.0, "shift": 0.0}
    if "channels" in families()[family].model_fields:
        config["channels"] = 4
    potential = Potential(family_config(config), {"Si": 0.0}, "float64").eval()
    with torch.no_grad():
        for parameter in potential.parameters():  # some start at zero
            parameter.add_(0.1 * torch.randn_like(parameter))
    atoms = bulk("Si")
    atoms.rattle(0.1, seed=1)
    graph = build_graph(atoms, ["Si"], 3.0)
    topology, vectors = edge_topology(graph), edge_vectors(graph)
    direction = torch.randn(vectors.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def energy(r: Tensor) -> Tensor:
        return potential.model(r, graph.species, topology).sum()

    r = vectors.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(energy(r), r, create_graph=True)
    (second,) = torch.autograd.grad((gradient * direction).sum(), r)
    value, slope = torch.func.jvp(energy, (vectors,), (direction,))
    found, along = torch.func.jvp(torch.func.grad(energy), (vectors,), (direction,))
    assert float(slope.detach().abs()) > 1e-9
    torch.testing.assert_close(value, energy(vectors), rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(slope, (gradient * direction).sum(), rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(found, gradient, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(along, second, rtol=1e-8, atol=1e-10)
