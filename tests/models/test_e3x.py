"""E3x against its formulas in plain PyTorch, and what its configuration refuses; the building blocks themselves are
tested in `tests/interop/test_e3x.py`."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from families.cases import REFERENCE_ENERGIES, with_random_matrices
from families.evaluation import predict
from families.structures import ethanol
from pydantic import ValidationError
from scipy.spatial.transform import Rotation

from potentials.equivariant import Layout
from potentials.models.e3x import E3xConfig, layer_layouts
from potentials.potential import Potential

RESOLVED: dict[str, Any] = {
    "name": "e3x",
    "cutoff": 3.0,
    "elements": ["H", "C", "O"],
    "average_neighbors": 4.0,
    "scale": 1.0,
    "shift": 0.0,
}
SMALL: dict[str, Any] = {"channels": 4, "radial": {"size": 6}}


def untrained(**options: Any) -> Potential:
    torch.manual_seed(0)
    return Potential(E3xConfig.model_validate({**RESOLVED, **SMALL, **options}), REFERENCE_ENERGIES, "float64").eval()


def test_degree_zero_is_an_ordinary_network() -> None:
    """Linear layers and activations of PyTorch, and continuous filters of the distance: nothing of group theory."""
    built = with_random_matrices(untrained(degree=0, layers=2))
    with torch.no_grad():
        for name, parameter in built.named_parameters():
            if "bias" in name:
                parameter.normal_()
    model = built.model

    def linear(dense: Any) -> torch.nn.Linear:
        (weight,) = dense.mixing.weights
        made = torch.nn.utils.skip_init(torch.nn.Linear, *weight.shape, bias=dense.bias is not None)
        made.weight.data = weight.detach().T / weight.shape[0] ** 0.5
        if dense.bias is not None:
            made.bias.data = dense.bias.detach()
        return made.double()

    atoms = ethanol()
    species = torch.tensor(["HCO".index(symbol) for symbol in atoms.symbols])
    r = torch.from_numpy(atoms.get_all_distances())
    x = model.embedding[species]
    t = (r / (1 + r)).unsqueeze(2)
    binomials = torch.tensor([1.0, 5, 10, 10, 5, 1], dtype=torch.float64)
    v = torch.arange(6)
    basis = binomials * t**v * (1 - t) ** (5 - v)
    inside = (r < 3.0) & (r > 0)
    cutoff = torch.exp(1 - 1 / (1 - torch.where(inside, r / 3.0, 0.0) ** 2)) * inside
    for layer in model.layers:
        filters = (basis * cutoff.unsqueeze(2)) @ layer.messages.filters.linear.weight[:, 0] / 6**0.5
        message = torch.einsum("ijc,jc->ic", filters, x) / 4.0**0.5 * layer.messages.paths.weight[0]
        hidden = torch.nn.functional.silu(linear(layer.first)(x + message))
        x = x + linear(layer.second)(hidden)
    energies = linear(model.readout)(x)[:, 0] + model.element_bias[species]
    expected = energies.detach() + torch.tensor([REFERENCE_ENERGIES[s] for s in atoms.symbols], dtype=torch.float64)
    torch.testing.assert_close(torch.from_numpy(predict(built, atoms).node_energies), expected, rtol=1e-12, atol=0)


def test_a_new_potential_is_flat() -> None:
    """Readout and residual branches start at zero, as published: training starts from the reference energies."""
    result = predict(untrained(), ethanol())
    assert result.energy[0] == pytest.approx(sum(REFERENCE_ENERGIES[symbol] for symbol in ethanol().symbols), abs=1e-12)
    assert not result.forces.any()
    assert predict(with_random_matrices(untrained()), ethanol()).forces.any()


def test_attention_weighs_neighbors() -> None:
    """Weights of each atom's neighbors and head add up to one; with equal keys they are those of the cutoff."""
    built = with_random_matrices(untrained(attention_heads=2, layers=1))
    seen: list[tuple[torch.Tensor, ...]] = []
    attention = built.model.layers[0].messages
    attention.weights.register_forward_hook(lambda module, inputs, output: seen.append((*inputs, output)))
    predict(built, ethanol())
    attention.weights.key.mixing.weight.data.zero_()
    predict(built, ethanol())
    for *_, topology, weights in seen:
        totals = torch.zeros(topology.num_nodes, 4, dtype=torch.float64).index_add(0, topology.receivers, weights)
        torch.testing.assert_close(totals, torch.ones_like(totals), rtol=0, atol=1e-12)
    *_, cutoff, topology, weights = seen[-1]
    per_edge = cutoff[topology.edge_pair]
    totals = torch.zeros(topology.num_nodes, dtype=torch.float64).index_add(0, topology.receivers, per_edge)
    expected = (per_edge / totals[topology.receivers]).unsqueeze(1).expand_as(weights)
    torch.testing.assert_close(weights, expected, rtol=1e-12, atol=0)
    learned = seen[0][-1]
    assert (learned[:, 0] - weights[:, 0]).abs().max() > 1e-3
    assert (learned[:, 0] - learned[:, 3]).abs().max() > 1e-3, "two heads"


def test_blocks_of_each_layer() -> None:
    """By hand: messages from scalars make proper tensors; what the last scalar cannot see is not made."""
    assert [str(x) for x in layer_layouts(1, 2, True, False)] == ["0e"]
    assert [str(x) for x in layer_layouts(3, 2, False, False)] == ["0e+1o+2e", "0e+1o+2e", "0e"]
    assert layer_layouts(3, 2, True, False) == layer_layouts(3, 2, False, False)
    # 1e and 2o come from two layers of messages and need two more; 0o needs three either way.
    assert [str(x) for x in layer_layouts(4, 2, True, False)] == ["0e+1o+2e", "0e+1o+1e+2e+2o", "0e+1o+2e", "0e"]
    assert Layout.full(1) in layer_layouts(6, 1, True, False)
    # Scalar products of queries and keys see all blocks.
    assert [str(x) for x in layer_layouts(3, 1, True, True)] == ["0e+1o", "0e+1o+1e", "0e"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"degree": 7}, "less than or equal to 6"),
        (
            {"pseudotensors": True},
            "with 3 layers they cannot affect the energy; use degree 1 or more and at least 4",
        ),
        ({"pseudotensors": True, "attention_heads": 2, "layers": 2}, "with 2 layers they cannot .* at least 3 layers"),
        ({"pseudotensors": True, "layers": 5, "degree": 0}, "with degree 0 they cannot affect"),
        ({"attention_heads": 3}, "4 channels cannot be divided among 3 heads; use one of 1, 2, 4, or 0"),
        ({"radial": {"basis": "sinc"}}, "mapping: the sinc functions take the distance itself, got 'reciprocal'"),
        ({"radial": {"trainable": True}}, "with mapping 'reciprocal' there is nothing to learn; set trainable: false"),
        ({"radial": {"basis": "bessel"}}, "radial.basis"),
    ],
    ids=str,
)
def test_wrong_configurations(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        E3xConfig.model_validate({**RESOLVED, **SMALL, **options})


@pytest.mark.parametrize("degree", [5, 6])
def test_the_highest_degrees_are_symmetric(degree: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain PyTorch: compiling these takes minutes."""
    monkeypatch.setenv("POTENTIALS_KERNELS", "reference")
    built = with_random_matrices(untrained(degree=degree, layers=2, channels=2))
    atoms, matrix = ethanol(), Rotation.random(random_state=1).as_matrix()
    before = predict(built, atoms)
    atoms.positions = atoms.positions @ -matrix.T
    after = predict(built, atoms)
    torch.testing.assert_close(torch.as_tensor(after.energy), torch.as_tensor(before.energy), rtol=1e-12, atol=1e-10)
    expected = torch.as_tensor(before.forces) @ torch.as_tensor(-matrix.T)
    torch.testing.assert_close(torch.as_tensor(after.forces), expected, rtol=1e-9, atol=1e-10)
    with torch.no_grad():
        built.model.layers[0].messages.filters.linear.weight[:, degree].zero_()
    assert abs(predict(built, atoms).energy[0] - after.energy[0]) > 1e-6, "the highest degree takes part"
