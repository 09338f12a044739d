"""Parts that keep together what belongs together."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from scipy.spatial.distance import cdist

from potentials.data.geometry import structure_descriptor
from potentials.data.read import Frame
from potentials.data.split.dividing import divide_frames, farthest_points
from potentials.errors import DataError

SHARES = {"validation": 0.1, "test": 0.2}


def frames(count: int = 100, files: int = 1, formula: str = "H2O") -> list[Frame]:
    made = []
    for number in range(count):
        atoms = molecule(formula)
        atoms.rattle(0.1, seed=number)
        atoms.info["config_type"] = f"group-{number % 7}"
        made.append(Frame(atoms, f"{number % files}.xyz", number // files))
    return made


@pytest.mark.parametrize("way", ["random", "block", "group", "farthest-point"])
def test_every_frame_is_in_one_part(way: str) -> None:
    given = frames(files=2)
    parts = divide_frames(given, SHARES, way, seed=3)
    assert list(parts) == ["train", "validation", "test"]
    assert sorted(k for part in parts.values() for k in part) == list(range(100))
    assert all(part == sorted(part) for part in parts.values())
    tolerance = 8 if way == "group" else 0
    assert abs(len(parts["validation"]) - 10) <= tolerance
    assert abs(len(parts["test"]) - 20) <= tolerance
    assert parts == divide_frames(given, SHARES, way, seed=3)
    assert parts != divide_frames(given, SHARES, way, seed=4)


def test_blocks_are_stretches_of_one_file() -> None:
    """With ten blocks of each of two files, a test set of 20 frames is four stretches of five."""
    given = frames(files=2)
    parts = divide_frames(given, SHARES, "block", seed=0)
    for part in ("validation", "test"):
        places = sorted((given[k].file, given[k].index) for k in parts[part])
        blocks = {(file, index // 5) for file, index in places}
        assert len(places) == 5 * len(blocks)


def test_groups_stay_together() -> None:
    given = frames()
    parts = divide_frames(given, SHARES, "group", seed=1)
    groups = [{given[k].atoms.info["config_type"] for k in part} for part in parts.values()]
    assert sum(map(len, groups)) == 7


def test_compositions_stay_together() -> None:
    given = [*frames(40), *frames(30, formula="CH4"), *frames(30, formula="NH3")]
    parts = divide_frames(given, {"test": 0.3}, "composition", seed=0)
    formulas = [{given[k].atoms.get_chemical_formula() for k in part} for part in parts.values()]
    assert not formulas[0] & formulas[1]
    assert len(parts["test"]) in (30, 40)


def test_farthest_points_by_hand() -> None:
    line = np.array([[0.0], [1.0], [2.1], [9.0], [10.0]])
    assert farthest_points(line, 3).tolist() == [2, 4, 0]
    assert sorted(farthest_points(line, 5)) == [0, 1, 2, 3, 4]
    assert farthest_points(np.zeros((3, 2)), 3).tolist() == [0, 1, 2], "the same point thrice"


def test_farthest_points_spread_the_training_frames() -> None:
    given = frames(60)
    descriptors = np.array([structure_descriptor(frame.atoms) for frame in given])

    def nearest(chosen: list[int]) -> float:
        distances = cdist(descriptors[chosen], descriptors[chosen])
        return float((distances + 1e9 * np.eye(len(chosen))).min())

    shares = {"test": 0.5}
    far = divide_frames(given, shares, "farthest-point", seed=0)["train"]
    drawn = [divide_frames(given, shares, "random", seed=seed)["train"] for seed in range(10)]
    assert nearest(far) > max(map(nearest, drawn))


@pytest.mark.parametrize(
    ("shares", "way", "options", "message"),
    [
        ({"test": 1.2}, "random", {}, "between 0 and 1"),
        ({"test": 0.6, "validation": 0.5}, "random", {}, "their sum below 1 so that training frames remain"),
        ({"test": 0.1}, "block", {"blocks": 1}, "at least 2 per file, got 1"),
        (
            {"test": 0.1},
            "group",
            {"group_key": "phase"},
            '100 of 100 frames have no entry "phase".*available entries: config_type',
        ),
        (
            {"test": 0.02},
            "block",
            {"blocks": 2},
            "cannot select about 2 test frames: with --by block, .* 2 indivisible units of 50 to 50 frames",
        ),
    ],
)
def test_what_cannot_be_divided(shares: dict, way: str, options: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        divide_frames(frames(), shares, way, 0, **options)


def test_descriptors_of_of_several_elements_are_comparable() -> None:
    elements = np.array([1, 6, 8])
    water, methane = (structure_descriptor(molecule(name), elements) for name in ("H2O", "CH4"))
    assert water.shape == methane.shape
    assert structure_descriptor(Atoms("H"), elements).shape == water.shape
