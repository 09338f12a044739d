"""Potentials of other elements compute the same for the elements that they share."""

from __future__ import annotations

import pytest
from ase import Atoms
from families.cases import Case, cases, with_random_matrices
from slow_cases import slow_but

from potentials.data.graph import build_graph
from potentials.errors import PotentialsError
from potentials.potential import Potential
from potentials.potential.elements import with_elements

CASES = [case for case in cases() if case.family != "ace"]


def water(oxygen: str = "O") -> Atoms:
    return Atoms([oxygen, "H", "H"], positions=[[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0.1]])


def energy(potential: Potential, atoms: Atoms) -> float:
    return float(potential(build_graph(atoms, potential.elements, potential.cutoff)).energy)


@pytest.mark.parametrize("case", slow_but(CASES, "mace invariant", "schnet bessel", "allegro one layer"))
def test_energies_do_not_depend_on_the_other_elements(case: Case) -> None:
    potential = with_random_matrices(case.potential())
    expected = energy(potential, water())
    fewer = with_elements(potential, ["O", "H"])
    assert fewer.elements == ["H", "O"]
    assert energy(fewer, water()) == pytest.approx(expected, abs=1e-11)
    more = with_elements(potential, ["O", "S", "H", "Li", "C"], {"S": "O", "Li": "H"})
    assert more.elements == ["H", "Li", "C", "O", "S"]
    assert energy(more, water()) == pytest.approx(expected, abs=1e-11)
    other = with_elements(potential, ["O", "S", "H"], {"S": "O"})  # as many elements as before
    assert energy(other, water()) == pytest.approx(expected, abs=1e-11)
    if potential.zbl is None and "agnesi" not in str(potential.config):
        # Charge and radius of the nucleus do not enter, so the new element is its source.
        assert energy(more, water("S")) == pytest.approx(expected, abs=1e-11)
        changed = energy(potential, water("C"))
        assert abs(changed - expected) > 1e-6


def test_the_same_elements_are_the_same_potential() -> None:
    potential = CASES[0].potential()
    assert with_elements(potential, ["O", "C", "H"]) is potential


def test_elements_without_a_source() -> None:
    potential = CASES[0].potential()
    with pytest.raises(
        PotentialsError,
        match=r"does not support Li \(supported: H, C, O\); set fine_tune.new_elements",
    ):
        with_elements(potential, ["H", "Li"])
    with pytest.raises(PotentialsError, match="Li cannot begin as a copy of Na; the potential supports H, C, O"):
        with_elements(potential, ["H", "Li"], {"Li": "Na"})
