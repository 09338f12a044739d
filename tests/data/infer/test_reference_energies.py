from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.data import chemical_symbols

from potentials.data.findings import Findings
from potentials.data.infer import composition_matrix, find_reference_energies, indistinguishable, least_squares
from potentials.data.label import LabeledFrame
from potentials.errors import DataError

E0 = {"H": -13.6, "C": -1028.0, "O": -2040.0}
ELEMENTS = list(E0)
Labeled = Callable[..., LabeledFrame]


@pytest.fixture
def frames(labeled: Labeled) -> list[LabeledFrame]:
    """Exact sums of `E0` for compositions that tell H, C and O apart."""
    formulas = ["CH4", "H2O", "C2H6O", "CO2", "C2H2"]
    return [labeled(Atoms(f), i, energy=total(f)) for i, f in enumerate(formulas)]


def total(formula: str) -> float:
    return sum(E0[symbol] for symbol in Atoms(formula).symbols)


@pytest.fixture
def atoms_alone(labeled: Labeled) -> list[LabeledFrame]:
    return [labeled(Atoms(symbol), i, "atoms.xyz", energy=E0[symbol]) for i, symbol in enumerate(E0)]


def find(source: Any, train: list, isolated: list, elements: list[str] = ELEMENTS) -> tuple[dict, Findings]:
    findings = Findings()
    return find_reference_energies(source, elements, train, isolated, findings), findings


def test_least_squares_finds_known_energies(frames: list[LabeledFrame]) -> None:
    energies, findings = find("least-squares", frames, [])
    assert list(energies) == ELEMENTS
    assert energies == pytest.approx(E0, abs=1e-8)
    assert findings.warnings == []
    assert "least squares over the energies of 5 training frames; as configured" in findings.notes[0]


def test_least_squares_minimises_the_weighted_error_per_atom(labeled: Labeled) -> None:
    """One element, two contradicting frames: the optimum is known in closed form."""
    frames = [
        labeled(Atoms("H2"), energy=-2.0, weight=2.0, energy_weight=1.5),  # -1 an atom, weight 3
        labeled(Atoms("H4"), energy=-8.0),  # -2 an atom, weight 1
    ]
    assert least_squares(["H"], frames, "", Findings())["H"] == pytest.approx((3 * -1 + 1 * -2) / 4)


def test_frames_without_energy_or_weight_do_not_count(frames: list[LabeledFrame], labeled: Labeled) -> None:
    extra = [labeled(Atoms("CH4")), labeled(Atoms("CH4"), energy=99.0, energy_weight=0.0)]
    assert find("least-squares", frames + extra, [])[0] == pytest.approx(E0, abs=1e-8)


def test_composition_matrix(labeled: Labeled) -> None:
    elements, counts = composition_matrix([labeled(Atoms("CH4")), labeled(Atoms("H2O"))], ["H", "C", "N", "O"])
    assert elements == ["H", "C", "O"]
    assert counts.tolist() == [[4, 1, 0], [2, 0, 1]]


def test_one_composition_cannot_tell_its_elements_apart(labeled: Labeled) -> None:
    frames = [labeled(Atoms("C5H8O2"), i, energy=total("C5H8O2") + shift) for i, shift in enumerate((-1, 0, 1))]
    energies, findings = find("auto", frames, [])
    assert "H, C and O occur in the fixed ratio 8:5:2 in the training frames" in findings.warnings[0]
    assert "energies of other compositions will be wrong" in findings.warnings[0]
    # The smallest vector with the right sum is along the composition (8, 5, 2).
    expected = total("C5H8O2") / (8**2 + 5**2 + 2**2) * np.array([8, 5, 2])
    np.testing.assert_allclose(list(energies.values()), expected, rtol=1e-10)
    assert "there are no isolated atoms" in findings.notes[0]


@pytest.mark.parametrize(
    ("formulas", "expected"),
    [
        (["CH4", "C2H4", "H2O"], ""),
        (["C5H8", "C10H16"], "H and C occur in the fixed ratio 8:5"),
        (["C5H8", "C5H8O", "C10H16O3"], "H and C occur in the fixed ratio 8:5"),
        (["CuO", "Cu2O2", "NaCl"], "O and Cu occur in the fixed ratio 1:1 and Na and Cl occur in the fixed ratio 1:1"),
        # Three elements in two compositions: one combination stays open, but no two of them have a fixed ratio.
        (["CH2O2", "H2O"], "the atom counts of H, C and O are linearly dependent"),
        (["LiF", "Li2F2Au", "Au"], "Li and F occur in the fixed ratio 1:1"),
    ],
)
def test_which_elements_cannot_be_told_apart(formulas: list[str], expected: str, labeled: Labeled) -> None:
    frames = [labeled(Atoms(formula)) for formula in formulas]
    elements, counts = composition_matrix(frames, chemical_symbols)
    assert indistinguishable(elements, counts) == expected


def test_auto_prefers_isolated_atoms(frames: list[LabeledFrame], atoms_alone: list[LabeledFrame]) -> None:
    energies, findings = find("auto", frames, atoms_alone)
    assert energies == E0
    assert findings.notes == [
        "data.reference_energies = H -13.6000, C -1028.0000, O -2040.0000 eV (isolated atoms in atoms.xyz)"
    ]


def test_auto_needs_an_isolated_atom_of_every_element(
    frames: list[LabeledFrame], atoms_alone: list[LabeledFrame]
) -> None:
    energies, findings = find("auto", frames, atoms_alone[:2])
    assert energies == pytest.approx(E0, abs=1e-8)
    assert "there is no isolated atom of O" in findings.notes[0]


def test_isolated_atoms_when_asked_for(frames: list[LabeledFrame], atoms_alone: list[LabeledFrame]) -> None:
    assert find("isolated-atoms", frames, atoms_alone)[0] == E0
    with pytest.raises(DataError, match=r"no isolated atom with an energy for C, O \(available: H\)"):
        find("isolated-atoms", frames, atoms_alone[:1])
    with pytest.raises(DataError, match="for H, C, O or any other element; add single-atom frames"):
        find("isolated-atoms", frames, [])


def test_isolated_atoms_that_contradict_each_other(atoms_alone: list[LabeledFrame], labeled: Labeled) -> None:
    other = labeled(Atoms("O"), 9, "b.xyz", energy=-2038.0)
    with pytest.raises(
        DataError, match=r"b\.xyz, frame 9: isolated O has -2038.000000 eV, but another .* -2040.000000"
    ):
        find("isolated-atoms", [], [*atoms_alone, other])


def test_isolated_atom_without_energy(atoms_alone: list[LabeledFrame], labeled: Labeled) -> None:
    energies, findings = find("isolated-atoms", [], [*atoms_alone, labeled(Atoms("O"), 9)])
    assert energies == E0
    assert "frames.xyz: 9" in findings.warnings[0]


def test_given(frames: list[LabeledFrame]) -> None:
    assert find({"O": -3.0, "H": -1.0, "C": -2.0, "Si": 0.0}, frames, [])[0] == {"H": -1.0, "C": -2.0, "O": -3.0}
    with pytest.raises(DataError, match="no energy is given for C, O"):
        find({"H": -1.0}, frames, [])


def test_zero(frames: list[LabeledFrame], atoms_alone: list[LabeledFrame]) -> None:
    assert find("zero", frames, atoms_alone)[0] == {"H": 0.0, "C": 0.0, "O": 0.0}


def test_training_frames_without_energies(labeled: Labeled) -> None:
    energies, findings = find("auto", [labeled(Atoms("H2O"))], [], ["H", "O"])
    assert energies == {"H": 0.0, "O": 0.0}
    assert "the training frames have no energies" in findings.notes[0]


def test_elements_beyond_the_training_frames(
    frames: list[LabeledFrame], atoms_alone: list[LabeledFrame], labeled: Labeled
) -> None:
    elements = [*ELEMENTS, "Si"]
    for isolated in ([], atoms_alone):
        energies, findings = find("auto", frames, isolated, elements)
        assert energies == pytest.approx({**E0, "Si": 0.0}, abs=1e-8)
        assert "no reference energy for Si: none is given" in findings.warnings[0]
    silicon = labeled(Atoms("Si"), energy=-7000.0)
    assert find("auto", frames, [*atoms_alone, silicon], elements)[0]["Si"] == -7000.0
