import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from potentials.errors import DataError, SimulationError
from potentials.simulation.structures import read_structure


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.xyz"
    ase.io.write(path, [bulk("Cu", a=length) for length in (3.4, 3.5, 3.6)])
    return str(path)


@pytest.mark.parametrize(("index", "length"), [(0, 3.4), (1, 3.5), (-1, 3.6), (-3, 3.4)])
def test_one_frame_of_many(file, index, length):
    assert read_structure(file, index) == bulk("Cu", a=length)


@pytest.mark.parametrize("supercell", ["2 3 1", "2x3x1", " 2, 3, 1 "])
def test_supercell(file, supercell):
    atoms = read_structure(file, supercell=supercell)
    assert len(atoms) == 6
    np.testing.assert_allclose(atoms.cell, bulk("Cu", a=3.6).cell * np.array([[2], [3], [1]]))


@pytest.mark.parametrize("supercell", ["2 2", "2 2 0", "-1 1 1", "a b c", "", "2.5 1 1", "9" * 400 + " 1 1"])
def test_supercells_that_are_none(file, supercell):
    with pytest.raises(SimulationError, match="three positive integers"):
        read_structure(file, supercell=supercell)


@pytest.mark.parametrize("supercell", ["9999 9999 1", "9999999 9999999 1"])
def test_enormous_supercells(file, supercell):
    with pytest.raises(SimulationError, match=r"at most 1e\+07"):
        read_structure(file, supercell=supercell)


def test_frames_that_are_not_there(file, tmp_path):
    for index in (3, -4):
        with pytest.raises(DataError, match="selects no frame: the file has 3 frames"):
            read_structure(file, index)
    with pytest.raises(DataError, match=r"b\.xyz"):
        read_structure(str(tmp_path / "b.xyz"))


def test_a_molecule_is_not_repeated(tmp_path):
    ase.io.write(tmp_path / "o.xyz", Atoms("O"))
    with pytest.raises(SimulationError, match="not periodic"):
        read_structure(str(tmp_path / "o.xyz"), supercell="1 1 2")
