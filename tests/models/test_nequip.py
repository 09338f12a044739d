"""NequIP: sizes, reach, parity, and what its configuration refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from families.cases import REFERENCE_ENERGIES
from families.evaluation import predict
from families.structures import ethanol
from pydantic import ValidationError

from potentials.data.graph import build_graph
from potentials.models.nequip import NequIPConfig
from potentials.potential import Potential

RESOLVED: dict[str, Any] = {
    "name": "nequip",
    "cutoff": 3.5,
    "elements": ["H", "C", "O"],
    "average_neighbors": 5.0,
    "scale": 10.0,
    "shift": 0.0,
}
SMALL = {"channels": 3, "radial_mlp": [5]}


def potential(**options: Any) -> Potential:
    torch.manual_seed(0)
    return Potential(NequIPConfig(**{**RESOLVED, **SMALL, **options}), REFERENCE_ENERGIES, "float64").eval()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"degree": 5}, "less than or equal to 4"),
        ({"degree": -1}, "greater than or equal to 0"),
        ({"channels": 0}, "greater than or equal to 1"),
        ({"layers": 0}, "greater than or equal to 1"),
        ({"parity": 1}, "parity"),
        ({"self_connection": "yes"}, "self_connection"),
        ({"l_max": 2}, "l_max"),
        ({"shift": {"H": 1.0}}, "C"),
    ],
    ids=str,
)
def test_wrong_configurations(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        NequIPConfig.model_validate({**RESOLVED, **options})


def test_number_of_parameters() -> None:
    """Two layers of degree 1 without parity for three elements, by hand."""
    C, Z, H = 3, 3, 5
    embedding = Z * C
    # Scalars with harmonics of degree 0, 1 make scalars and vectors by a path each; one gate for the vectors.
    first = C * C + (8 * H + H * 2 * C) + 2 * C * C + C * C
    # Scalars and vectors make scalars by two paths; the self-connection is bilinear in features and embedding.
    second = 2 * C * C + (8 * H + H * 2 * C) + 2 * C * C + C**3
    readout = C
    assert potential(layers=2, parity=False).num_parameters() == embedding + first + second + readout


def test_blocks_that_each_layer_reaches() -> None:
    proper = [str(c.outputs) for c in potential(degree=1, parity=False).model.convolutions]
    assert proper == ["0e+1o", "0e+1o", "0e+1o", "0e"]
    # Pseudoscalars need a pseudovector: they are there one layer after it.
    full = [str(c.outputs) for c in potential(degree=1, parity=True).model.convolutions]
    assert full == ["0e+1o", "0e+1o+1e", "0e+0o+1o+1e", "0e"]


def test_the_first_layer_has_no_self_connection() -> None:
    with_, without = potential(), potential(self_connection=False)
    assert [c.self_connection is not None for c in with_.model.convolutions] == [False, True, True, True]
    assert not any(c.self_connection is not None for c in without.model.convolutions)


@pytest.mark.slow
def test_degree_zero_sees_distances_only() -> None:
    """A rotation about a bond changes no distance between atoms that see each other, but the angles between bonds."""
    # 1 and 2 are neighbors of 0 but not of each other, at an angle that changes by keeping both distances.
    wide = Atoms("OHH", positions=[[0, 0, 0], [2.2, 0, 0], [-2.2, 0, 0]])
    bent = Atoms("OHH", positions=[[0, 0, 0], [2.2, 0, 0], [-1.1, 1.1 * 3**0.5, 0]])
    assert bent.get_distance(1, 2) > 3.5
    for degree in (0, 1, 2):
        result = predict(potential(degree=degree), wide, bent)
        assert (abs(result.energy[0] - result.energy[1]) < 1e-12) == (degree == 0)


def test_layers_widen_the_view() -> None:
    """In a chain whose atoms see next neighbors only, the end sees as far as there are layers."""
    before = Atoms("COHCO", positions=[[2.5 * i, 0.3 * (i % 2), 0] for i in range(5)])
    for layers in (2, 3):
        model, changes = potential(layers=layers), []
        for moved in range(1, 5):
            after = before.copy()
            after.positions[moved, 1] += 0.2
            result = predict(model, before, after).node_energies
            changes.append(abs(result[0] - result[5]) > 1e-12)
        assert changes == [distance <= layers for distance in range(1, 5)]


def test_messages_are_divided_by_the_root_of_the_neighbors() -> None:
    """Four times the neighbors is half of the features that are sent, in every layer."""
    first, second = potential(average_neighbors=4.0), potential(average_neighbors=16.0)
    assert abs(predict(first, ethanol()).energy - predict(second, ethanol()).energy) > 1e-3
    with torch.no_grad():
        for convolution in second.model.convolutions:
            for weight in convolution.linear_1.weights:
                weight *= 2
    np.testing.assert_allclose(predict(first, ethanol()).energy, predict(second, ethanol()).energy, rtol=1e-13)


def test_decay_parameters() -> None:
    """Weight decay acts on the linear maps of features, not on the embedding, the radial networks or the readout."""
    model = potential()
    decayed = {id(parameter) for parameter in model.decay_parameters()}
    names = {name.removeprefix("model.") for name, p in model.named_parameters() if id(p) in decayed}
    kinds = {"linear_1", "linear_2", "gates", "self_connection", "gates_self_connection"}
    every = {name.removeprefix("model.") for name, _ in model.named_parameters()}
    assert names == {name for name in every if name.startswith("convolutions") and name.split(".")[2] in kinds}
    assert len(model.decay_parameters()) == len(names) < len(every)


def test_an_isolated_atom_has_its_reference_energy() -> None:
    model = potential()
    for symbol, energy in REFERENCE_ENERGIES.items():
        assert predict(model, Atoms(symbol)).energy == pytest.approx([energy], abs=1e-12)


def test_a_list_of_equal_channels_is_the_number() -> None:
    first, second = (
        potential(channels=channels, degree=2)(build_graph(ethanol(), RESOLVED["elements"], 3.5))
        for channels in (6, [6, 6, 6])
    )
    assert torch.equal(first.energy, second.energy)
    assert torch.equal(first.forces, second.forces)


def test_more_channels_of_low_degree_cost_less_than_of_all() -> None:
    sizes = [potential(channels=channels, degree=2).num_parameters() for channels in (4, [8, 4, 4], 8)]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 3


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        ([8, 4], "one number for each degree from 0 to 2 .model.degree., got 2 numbers"),
        ([100, 63, 50], "greatest common divisor is 1"),
        ([], "at least 1"),
        ([8, 0, 4], "greater than or equal to 1"),
    ],
)
def test_channels_that_cannot_be(channels: list[int], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        NequIPConfig.model_validate({**RESOLVED, "degree": 2, "channels": channels})


def test_without_parity_mirror_images_differ_and_rotated_ones_do_not() -> None:
    chiral = ethanol()
    chiral.rattle(0.1, seed=0)
    mirrored, rotated = chiral.copy(), chiral.copy()
    mirrored.positions[:, 0] *= -1
    rotated.rotate(77, (1, 2, 3))
    for parity, differs in (("ignored", True), (False, False)):
        model = potential(parity=parity, degree=2)
        assert (model.config.broken_symmetry is not None) == differs
        graphs = [build_graph(atoms, model.elements, model.cutoff) for atoms in (chiral, mirrored, rotated)]
        energies = [model(graph).energy.item() for graph in graphs]
        assert (abs(energies[1] - energies[0]) > 1e-6) == differs
        assert energies[2] == pytest.approx(energies[0], abs=1e-10)
