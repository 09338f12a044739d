from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from potentials.data.graph import graphs_from_frames
from potentials.data.infer import Statistics, gather_statistics
from potentials.data.infer.statistics import ratio_error
from potentials.data.label import LabeledFrame

Labeled = Callable[..., LabeledFrame]


def gather(frames: list[LabeledFrame], elements: list[str], cutoff: float, **e0: float) -> Statistics:
    return gather_statistics(graphs_from_frames(frames, elements, cutoff), elements, dict.fromkeys(elements, 0.0) | e0)


def test_neighbors_count_atoms_that_have_some(labeled: Labeled) -> None:
    chain = Atoms("H3O", [[0, 0, 0], [1, 0, 0], [2, 0, 0], [50, 0, 0]])  # 1, 2, 1 and no neighbor
    statistics = gather([labeled(chain)], ["H", "O"], 1.5)
    assert statistics.average_neighbors == pytest.approx(4 / 3)
    assert (statistics.num_frames, statistics.num_atoms, statistics.num_edges) == (1, 4, 4)
    assert statistics.atoms_without_neighbors == 1


def test_neighbors_are_those_of_the_crystal(labeled: Labeled) -> None:
    """fcc within the second shell: 12 + 6."""
    assert gather([labeled(bulk("Cu"))], ["Cu"], 3.7).average_neighbors == 18


def test_forces(labeled: Labeled) -> None:
    forces = np.array([[1.0, 2.0, 2.0], [0.0, 3.0, 4.0], [0.0, 0.0, 6.0]])
    frames = [
        labeled(Atoms("OH2", forces), forces=forces),
        labeled(Atoms("H2", forces[:2])),  # without forces
    ]
    statistics = gather(frames, ["H", "O"], 9.0)
    assert statistics.forces_rms == pytest.approx(np.sqrt((9 + 25 + 36) / 9))
    assert statistics.forces_rms_per_element == pytest.approx({"H": np.sqrt(61 / 6), "O": np.sqrt(3)})


def test_residual_energies(labeled: Labeled) -> None:
    frames = [
        labeled(Atoms("H2"), energy=-4.0),  # (-4 + 2) / 2 = -1
        labeled(Atoms("HO"), energy=-17.0),  # (-17 + 11) / 2 = -3
        labeled(Atoms("O2")),
    ]
    statistics = gather(frames, ["H", "O"], 9.0, H=-1.0, O=-10.0)
    assert statistics.residual_mean == pytest.approx(-2.0)
    assert statistics.residual_std == pytest.approx(1.0)


def test_components_that_are_nan_do_not_count(labeled: Labeled) -> None:
    forces = np.array([[1.0, np.nan, 2.0], [np.nan, np.nan, np.nan], [0.0, 3.0, 0.0]])
    statistics = gather([labeled(Atoms("OH2", np.eye(3)), forces=forces)], ["H", "O"], 9.0)
    assert statistics.forces_rms == pytest.approx(np.sqrt((1 + 4 + 9) / 5))
    assert statistics.forces_rms_per_element == pytest.approx({"H": np.sqrt(9 / 3), "O": np.sqrt(5 / 2)})


def test_labels_of_weight_zero_do_not_count(labeled: Labeled) -> None:
    """The loss leaves them out, whether the frame, its group or the label has no weight."""
    one, forces = Atoms("H2", [[0, 0, 0], [0, 0, 1]]), np.ones((2, 3))
    frames = [
        labeled(one, energy=-4.0, forces=forces),
        labeled(one, energy=1e5, forces=1e3 * forces, weight=0.0),
        labeled(one, energy=1e5, forces=forces, energy_weight=0.0),
        labeled(one, energy=-4.0, forces=1e3 * forces, forces_weight=0.0),
    ]
    statistics = gather(frames, ["H"], 9.0, H=-1.0)
    assert statistics.residual_mean == pytest.approx(-1.0)
    assert statistics.residual_std == pytest.approx(0.0)
    assert statistics.forces_rms == pytest.approx(1.0)
    assert statistics.num_frames == 4


def test_what_is_not_known_is_nan(labeled: Labeled) -> None:
    statistics = gather([labeled(Atoms("H"))], ["H"], 3.0)
    unknown = [statistics.average_neighbors, statistics.forces_rms, statistics.residual_mean, statistics.residual_std]
    assert np.isnan(unknown).all()
    assert statistics.forces_rms_per_element == {}


def test_standard_errors_are_the_spread_of_samples() -> None:
    """Against the means of many samples drawn from a known population."""
    random = np.random.default_rng(7)
    sizes = random.integers(2, 20, size=400).astype(float)
    edges = sizes * random.normal(10, 2, size=400)
    drawn = [random.choice(400, 100, replace=False) for _ in range(4000)]
    spread = np.std([edges[chosen].sum() / sizes[chosen].sum() for chosen in drawn])
    told = np.mean([ratio_error(edges[chosen], sizes[chosen], 400) for chosen in drawn])
    assert told == pytest.approx(spread, rel=0.05)
    assert ratio_error(edges, sizes, 400) == 0
    assert np.isnan(ratio_error(edges[:1], sizes[:1], 400))
