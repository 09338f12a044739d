"""Radial functions against their formulas, written out."""

import itertools
import math

import numpy as np
import pytest
import torch
from ase.build import molecule
from e3nn.math import normalize2mom
from families.cases import cases

import potentials
from potentials.visualization.observation import anatomy_of, observe
from potentials.visualization.radial import radial_json, weights_at

R = np.linspace(0.6, 3.4, 17)


def _bessel(r: np.ndarray, cutoff: float, size: int) -> np.ndarray:
    return math.sqrt(2 / cutoff) * np.sin(np.outer(r, np.arange(1, size + 1)) * math.pi / cutoff) / r[:, None]


def _envelope(r: np.ndarray, cutoff: float, p: int) -> np.ndarray:
    x = r / cutoff
    return 1 - (p + 1) * (p + 2) / 2 * x**p + p * (p + 2) * x ** (p + 1) - p * (p + 1) / 2 * x ** (p + 2)


def test_learned_weights_are_those_of_the_network_written_out() -> None:
    potential = potentials.load("builtin:ethanol", precision="float64")
    anatomy = anatomy_of(potential)
    state = potential.model.state_dict()
    for number, place in enumerate(anatomy.rounds):
        x = _bessel(R, 3.5, 8) * _envelope(R, 3.5, 5)[:, None]
        flat = state[f"interactions.{number}.radial_network.weight"].numpy()
        sizes = [8, 32, 32, 32, 16 * len(place.paths)]
        for layer, (rows, columns) in enumerate(itertools.pairwise(sizes)):
            matrix, flat = flat[: rows * columns].reshape(rows, columns), flat[rows * columns :]
            if layer:
                x = normalize2mom(torch.nn.functional.silu).cst * x / (1 + np.exp(-x))
            x = x @ matrix / math.sqrt(rows)
        found = weights_at(potential, anatomy, place, R, 0, 1)
        np.testing.assert_allclose(
            found, x.reshape(len(R), len(place.paths), 16), rtol=1e-4, atol=1e-6
        )  # frequencies are in the file as float32


def test_every_path_has_the_curves_of_all_its_channels() -> None:
    """Also where blocks differ in their channels."""
    case = next(case for case in cases() if str(case) == "nequip channels by degree")
    potential = case.potential()
    anatomy = anatomy_of(potential)
    data = radial_json(potential, anatomy, observe(potential, molecule("CH3CH2OH")))
    assert len(data["rounds"]) == len(anatomy.rounds)
    for place, drawn in zip(anatomy.rounds, data["rounds"], strict=True):
        widths = [min(8, {0: 6, 1: 4, 2: 2}[sender.degree]) for sender, _, _ in place.paths]
        assert len(drawn["paths"]) == len(place.paths)
        for of_pair in drawn["curves"]:
            assert [len(curves) for curves in of_pair] == widths
            assert all(
                curve["channel"] < width for curves, width in zip(of_pair, widths, strict=True) for curve in curves
            )


def test_the_histogram_counts_all_distances() -> None:
    potential = potentials.load("builtin:ethanol")
    atoms = molecule("CH3CH2OH")
    data = radial_json(potential, anatomy_of(potential), observe(potential, atoms))
    distances = atoms.get_all_distances()
    within = (distances < 3.5) & (distances > 0)
    assert sum(data["histogram"]["all"]) == within.sum()
    oxygen, carbon = atoms.numbers == 8, atoms.numbers == 6
    between = within[np.ix_(oxygen, carbon)].sum()
    assert sum(data["histogram"]["pairs"][data["pairs"].index("O to C")]) == between
    assert len(data["basis"]) == 1  # it does not depend on the species


def test_functions_that_depend_on_the_species_are_there_for_each_pair() -> None:
    (case,) = (case for case in cases() if str(case) == "mace three layers")
    potential = case.potential()
    data = radial_json(potential, anatomy_of(potential), observe(potential, molecule("CH3CH2OH")))
    assert len(data["basis"]) == len(data["pairs"]) == 9
    assert data["basis"][0] != data["basis"][-1]
    assert all(len(place["curves"]) == 9 for place in data["rounds"])


@pytest.mark.parametrize("name", ["allegro no parity", "ponita orientations"])
def test_where_weights_depend_on_more_than_the_distance_none_are_drawn(name: str) -> None:
    (case,) = (case for case in cases() if str(case) == name)
    assert all(place.radial is None for place in anatomy_of(case.potential()).rounds)
