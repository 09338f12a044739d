"""Spheres, harmonics, combinations of channels, changes."""

import numpy as np
import pytest
import torch
from ase.build import molecule
from e3nn import o3
from families.cases import cases

from potentials.visualization.messages import block_norms, messages_json
from potentials.visualization.observation import anatomy_of, observe
from potentials.visualization.rotation import rotation_about, rotation_changes
from potentials.visualization.scene import scene_of
from potentials.visualization.signals import mixtures, sphere, sphere_json

ETHANOL = molecule("CH3CH2OH")


@pytest.mark.parametrize("divisions", [0, 1, 3])
def test_the_sphere_is_closed_and_faces_outwards(divisions: int) -> None:
    points, triangles = sphere(divisions)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1)
    edges = {frozenset(pair) for a, b, c in triangles for pair in ((a, b), (b, c), (c, a))}
    assert len(points) - len(edges) + len(triangles) == 2
    assert (np.linalg.det(points[triangles]) > 0).all()


def test_harmonics_are_those_of_e3nn() -> None:
    data = sphere_json(4)
    points = torch.tensor(data["points"]).reshape(-1, 3).to(torch.float64)
    expected = o3.spherical_harmonics(list(range(5)), points, normalize=True, normalization="component")
    found = np.array(data["harmonics"]).reshape(-1, data["components"])
    np.testing.assert_allclose(found, expected.numpy(), atol=2e-3)


def test_the_first_combination_is_the_largest_there_is() -> None:
    random = np.random.default_rng(0)
    block = random.normal(size=(7, 5, 6)) @ np.diag([3, 1, 1, 0.5, 0.1, 0.1])
    vectors, shares = mixtures(block)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(3), atol=1e-12)
    size = np.linalg.norm(block @ vectors[:, 0])
    assert size**2 / np.linalg.norm(block) ** 2 == pytest.approx(shares[0])
    for direction in random.normal(size=(200, 6)):
        assert np.linalg.norm(block @ (direction / np.linalg.norm(direction))) <= size
    assert mixtures(np.zeros((2, 3, 4)))[1].tolist() == [0, 0, 0]


def test_rotations_follow_the_right_hand_rule() -> None:
    np.testing.assert_allclose(rotation_about(2, np.pi / 2) @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(rotation_about(0, np.pi / 2) @ [0, 1, 0], [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(rotation_about(1, np.pi / 2) @ [0, 0, 1], [1, 0, 0], atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mace residual", "e3x pseudotensors", "schnet gaussian"])
def test_rotations_change_nothing_but_rounding(name: str) -> None:
    (case,) = (case for case in cases() if str(case) == name)
    potential = case.potential()
    first, anatomy = observe(potential, ETHANOL), anatomy_of(potential)
    changes = rotation_changes(potential, first, list(anatomy.features), ETHANOL, np.arange(9))
    assert max(abs(change) for change in changes.energy) < 1e-6
    assert max(changes.forces) < 1e-6
    assert changes.largest_feature_difference() < 1e-10
    data = changes.json()
    assert len(data["stages"][-1]["blocks"][0]["computed"]) == 3 * len(data["angles"]) * 9


def test_rotations_show_the_broken_symmetry_of_a_grid() -> None:
    (case,) = (case for case in cases() if str(case) == "ponita orientations")
    potential = case.potential()
    first, anatomy = observe(potential, ETHANOL), anatomy_of(potential)
    changes = rotation_changes(potential, first, list(anatomy.features), ETHANOL, np.arange(9))
    assert not changes.stages
    assert max(changes.forces) > 1e-3
    assert changes.energy[0] == pytest.approx(0, abs=1e-9)


def test_sizes_of_messages_by_block() -> None:
    (case,) = (case for case in cases() if str(case) == "mace residual")
    potential = case.potential()
    seen, place = observe(potential, ETHANOL), anatomy_of(potential).rounds[1]
    messages = seen.messages(place)
    norms = block_norms(messages, place.blocks)
    np.testing.assert_allclose((norms**2).sum(axis=1), (messages**2).sum(axis=(1, 2)))
    first = place.blocks[0][0].dim * place.blocks[0][1]
    np.testing.assert_allclose(norms[:, 0] ** 2, (messages[:, :first] ** 2).sum(axis=(1, 2)))
    data = messages_json(seen, [place], scene_of(ETHANOL))
    distances = ETHANOL.get_all_distances()
    for atom, receiver in enumerate(data["receivers"]):
        assert receiver["of"] == ((distances[atom] < 3.5) & (distances[atom] > 0)).sum()
        for neighbor in receiver["neighbors"]:
            offset = ETHANOL.positions[neighbor["number"]] - ETHANOL.positions[atom]
            np.testing.assert_allclose(neighbor["offset"], offset, atol=1e-3)
