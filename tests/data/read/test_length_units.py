"""Files in Bohr: converted where they are declared, noticed where they are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator

from potentials.data.audit.structures import spacing_findings
from potentials.data.label import LabeledFrame
from potentials.data.read import atoms_in_angstrom, training_units
from potentials.errors import DataError

BOHR = 0.529177210671
SOUND = [bulk("Cu"), bulk("Na"), bulk("NaCl", "rocksalt", a=5.64), molecule("H2O"), molecule("C6H6"), bulk("Ar", a=5.3)]


@pytest.mark.parametrize("atoms", SOUND, ids=lambda atoms: atoms.get_chemical_formula())
def test_lengths_in_bohr_are_noticed(atoms: Atoms, labeled: Callable[..., LabeledFrame]) -> None:
    assert list(spacing_findings("training", [labeled(atoms)] * 3)) == []
    in_bohr = atoms.copy()
    in_bohr.set_cell(atoms.cell / BOHR)
    in_bohr.positions /= BOHR
    found = list(spacing_findings("training", [labeled(in_bohr)] * 3))
    if "Ar" in atoms.symbols:  # without bonds nothing is usual
        assert found == []
    else:
        assert "data.length_unit: Bohr" in found[0].remedy


def test_conversion_keeps_what_is_no_length() -> None:
    atoms = Atoms("H2", [[0, 0, 0], [0, 0, 1.4]], cell=[9.0, 9.0, 9.0], pbc=True, info={"a": 1})
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0)
    converted = atoms_in_angstrom(atoms, "Bohr")
    np.testing.assert_allclose(converted.positions[1, 2], 1.4 * BOHR, rtol=1e-8)
    np.testing.assert_allclose(converted.cell.lengths(), 9.0 * BOHR, rtol=1e-8)
    assert converted.info == {"a": 1}
    assert converted.calc.results["energy"] == -1.0
    assert atoms.positions[1, 2] == 1.4
    with pytest.raises(
        DataError, match=r'unknown unit of length "bohr"; known units: A, Bohr, nm; did you mean "Bohr"'
    ):
        atoms_in_angstrom(atoms, "bohr")


def test_units_of_training_are_those_of_the_header() -> None:
    data = {"length_unit": "Bohr", "energy": {"key": "e", "unit": "Ha"}, "forces": None, "stress": 7}
    assert training_units({"config": {"data": data}}) == {"positions": "Bohr", "energy": "Ha"}
    assert training_units({}) == training_units({"config": 3}) == {}
