"""What surrounds the model: scales, shifts, reference energies, repulsion, modes, and what is refused.

The physics suite (tests/physics) has the rest: derivatives, symmetry, batches, precision.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from families.evaluation import predict
from families.structures import crystal, ethanol, tiny_cell

from potentials.data.graph import build_graph, collate
from potentials.equivariant.spherical_harmonics import _raising
from potentials.errors import PotentialsError, UnknownElementError
from potentials.models.nequip import NequIPConfig
from potentials.potential import Potential, edge_vectors

ELEMENTS = ["H", "C", "O"]
REFERENCE_ENERGIES = {"H": -1.3, "C": -2.4, "O": -3.7}


def config(**options: Any) -> NequIPConfig:
    values = {"cutoff": 3.5, "channels": 3, "layers": 2, "radial_mlp": [5], "elements": ELEMENTS}
    return NequIPConfig(**{"name": "nequip", "average_neighbors": 4.0, "scale": 1.0, "shift": 0.0, **values, **options})


def potential(reference_energies: dict[str, float] | None = None, **options: Any) -> Potential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Potential(config(**options), reference_energies or REFERENCE_ENERGIES, "float64").eval()


def per_atom(atoms: Atoms, values: dict[str, float]) -> np.ndarray:
    return np.array([values[symbol] for symbol in atoms.symbols])


def test_node_energies_are_scale_times_model_plus_shift_plus_reference() -> None:
    scale, shift = {"H": 0.5, "C": 2.0, "O": 3.0}, {"H": 0.1, "C": -0.2, "O": 0.3}
    atoms = ethanol()
    bare = predict(potential({"H": 0.0, "C": 0.0, "O": 0.0}), atoms)
    full = predict(potential(scale=scale, shift=shift), atoms)
    expected = (
        per_atom(atoms, scale) * bare.node_energies + per_atom(atoms, shift) + per_atom(atoms, REFERENCE_ENERGIES)
    )
    np.testing.assert_allclose(full.node_energies, expected, rtol=1e-14)
    np.testing.assert_allclose(full.energy, [expected.sum()], rtol=1e-14)


def test_one_number_is_the_same_for_all_elements() -> None:
    atoms = ethanol()
    number = predict(potential(scale=2.0, shift=0.3), atoms)
    each = predict(potential(scale=dict.fromkeys(ELEMENTS, 2.0), shift=dict.fromkeys(ELEMENTS, 0.3)), atoms)
    np.testing.assert_array_equal(number.node_energies, each.node_energies)
    np.testing.assert_allclose(number.forces, 2 * predict(potential(), atoms).forces, rtol=0, atol=1e-12)


def test_repulsion_is_added_without_the_scale() -> None:
    # The dimer's repulsion by the formula of tests/models/test_zbl.py is the same at any scale.
    atoms = Atoms("CO", positions=[[0, 0, 0], [0.6, 0.3, -0.2]])
    added = [
        predict(potential(scale=scale, zbl=True), atoms).node_energies
        - predict(potential(scale=scale), atoms).node_energies
        for scale in (1.0, 7.0)
    ]
    assert added[0].min() > 1
    np.testing.assert_allclose(added[1], added[0], rtol=1e-12)


def test_reference_energies_and_shift_do_not_push() -> None:
    first, second = potential(), potential({"H": 5.0, "C": -70.0, "O": 900.0}, shift=3.0)
    np.testing.assert_array_equal(predict(first, crystal()).forces, predict(second, crystal()).forces)
    np.testing.assert_array_equal(predict(first, crystal()).stress, predict(second, crystal()).stress)


def test_only_what_is_asked_for_is_there() -> None:
    model = potential()
    graph = build_graph(crystal(), ELEMENTS, model.cutoff)
    for forces in (False, True):
        for stress in (False, True):
            for node_virials in (False, True):
                found = model(graph, forces=forces, stress=stress, node_virials=node_virials)
                assert (found.forces is not None) == forces
                assert (found.stress is not None) == stress
                assert (found.node_virials is not None) == node_virials


def test_shapes() -> None:
    model = potential()
    batch = collate([build_graph(atoms, ELEMENTS, model.cutoff) for atoms in (ethanol(), crystal(), Atoms("H"))])
    found = model(batch, stress=True, node_virials=True)
    shapes = [
        tuple(v.shape) for v in (found.energy, found.node_energies, found.forces, found.stress, found.node_virials)
    ]
    assert shapes == [(3,), (14,), (14, 3), (3, 3, 3), (14, 3, 3)]
    assert torch.isfinite(found.stress[1]).all()
    assert torch.isnan(found.stress[[0, 2]]).all()


def test_edge_vectors_are_the_distances_of_ase() -> None:
    atoms = tiny_cell()
    graph = build_graph(atoms, ELEMENTS, 3.5)
    vectors = edge_vectors(graph)
    senders, receivers = graph.edge_index.numpy()
    expected = atoms.positions[receivers] - atoms.positions[senders] + graph.cell_shifts.numpy() @ atoms.cell.array
    np.testing.assert_allclose(vectors, expected, rtol=0, atol=1e-14)
    # Each batch member has its own cell.
    batch = collate([build_graph(crystal(), ELEMENTS, 3.5), graph, build_graph(ethanol(), ELEMENTS, 3.5)])
    start = build_graph(crystal(), ELEMENTS, 3.5).edge_index.shape[1]
    torch.testing.assert_close(edge_vectors(batch)[start : start + len(vectors)], vectors)


def test_evaluation_keeps_no_autograd_graph() -> None:
    model = potential()
    found = model(build_graph(crystal(), ELEMENTS, model.cutoff), stress=True, node_virials=True)
    values = (found.energy, found.node_energies, found.forces, found.stress, found.node_virials)
    assert not any(value.requires_grad for value in values)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_create_graph_overrides_the_mode() -> None:
    model = potential()
    graph = build_graph(crystal(), ELEMENTS, model.cutoff)
    assert model(graph, create_graph=True).forces.requires_grad
    assert not model.train()(graph, create_graph=False).forces.requires_grad


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_forces_where_gradients_are_off(mode: Any) -> None:
    model = potential()
    graph = build_graph(crystal(), ELEMENTS, model.cutoff)
    expected = model(graph, stress=True)
    with mode():
        found = model(graph, stress=True)
        energy = model(graph, forces=False).energy
    torch.testing.assert_close(found.forces, expected.forces, rtol=0, atol=0)
    torch.testing.assert_close(found.stress, expected.stress, rtol=0, atol=0)
    torch.testing.assert_close(energy, expected.energy, rtol=0, atol=0)


def test_training_after_use_in_inference_mode() -> None:
    # Constants that are kept between calls must not be inference tensors.
    _raising.cache_clear()
    model = potential(degree=2)
    graph = build_graph(crystal(), ELEMENTS, model.cutoff)
    with torch.inference_mode():
        model(graph, forces=False)
    model.train()(graph).forces.square().sum().backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


def test_the_graph_is_left_as_it_is() -> None:
    model = potential()
    graph = build_graph(crystal(), ELEMENTS, model.cutoff)
    before = {key: value.clone() for key, value in graph.items() if isinstance(value, torch.Tensor)}
    model(graph, stress=True, node_virials=True)
    assert graph.keys() == build_graph(crystal(), ELEMENTS, model.cutoff).keys()
    assert not graph.positions.requires_grad
    for key, value in before.items():
        torch.testing.assert_close(graph[key], value, rtol=0, atol=0, equal_nan=True)


def test_the_same_call_gives_the_same_bits() -> None:
    model = potential()
    graph = build_graph(crystal(), ELEMENTS, model.cutoff)
    first, second = model(graph, stress=True), model(graph, stress=True)
    assert torch.equal(first.energy, second.energy)
    assert torch.equal(first.forces, second.forces)
    assert torch.equal(first.stress, second.stress)


def test_making_one_leaves_the_default_type_alone() -> None:
    for default in (torch.float32, torch.float64):
        torch.set_default_dtype(default)
        for precision, dtype in (("float32", torch.float32), ("float64", torch.float64), ("mixed", torch.float32)):
            made = Potential(config(), REFERENCE_ENERGIES, precision)
            assert {parameter.dtype for parameter in made.model.parameters()} == {dtype}
            assert {made.scale.dtype, made.shift.dtype, made.reference_energies.dtype} == {torch.float64}
            assert torch.get_default_dtype() == default
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    ("reference_energies", "options", "message"),
    [
        ({"H": -1.0, "O": 2.0}, {}, "reference energies: expected one for each of H, C, O; missing C"),
        (REFERENCE_ENERGIES, {"scale": "auto"}, "model.scale: expected a value, got auto"),
        (REFERENCE_ENERGIES, {"elements": "auto"}, "model.elements: expected a value, got auto"),
    ],
)
def test_what_is_refused(reference_energies: dict[str, float], options: dict[str, Any], message: str) -> None:
    with pytest.raises(PotentialsError, match=message):
        Potential(config(**options), reference_energies)


def test_an_element_it_does_not_know() -> None:
    with pytest.raises(UnknownElementError, match=r"HCu contains Cu; the model supports H, C, O"):
        predict(potential(), Atoms("CuH", positions=[[0, 0, 0], [0, 0, 1.5]]))


def test_num_parameters_counts_what_is_learned() -> None:
    fixed, learned = potential(), potential(radial={"trainable": True, "size": 8})
    assert learned.num_parameters() == fixed.num_parameters() + 8
    assert fixed.num_parameters() == sum(p.numel() for p in fixed.model.parameters() if p.requires_grad)
    assert fixed.requires_grad_(False).num_parameters() == 0
