import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator

from potentials.data.read.frames import Frame
from potentials.errors import DataError
from potentials.setup.survey import survey


def _frames(structures):
    return [Frame(atoms, "file.xyz", index) for index, atoms in enumerate(structures)]


def _water(energy=-1.0, forces=0.5, **info):
    atoms = molecule("H2O")
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=np.full((3, 3), forces))
    atoms.info.update(info)
    return atoms


def test_counts():
    methane = molecule("CH4")
    methane.info["energy_dft"] = -2.0
    found = survey(_frames([_water(), _water(), methane, Atoms("O"), Atoms("H")]))
    assert found.num_frames == 3
    assert found.isolated == ("H", "O")
    assert found.elements == {"H": 3, "C": 1, "O": 2}
    assert found.compositions == 2
    assert found.atoms == (3, 11 / 3, 5)
    assert found.periodic == found.partly_periodic == 0


def test_isolated_atoms_in_a_periodic_box_are_known_by_their_group():
    atom = Atoms("O", cell=[20, 20, 20], pbc=True, info={"config_type": "IsolatedAtom"})
    assert survey(_frames([_water(), atom])).isolated == ("O",)
    del atom.info["config_type"]
    assert survey(_frames([_water(), atom])).num_frames == 2


def test_periodicity():
    slab = _water()
    slab.set_cell([9, 9, 9])
    cell = slab.copy()
    slab.pbc, cell.pbc = (True, True, False), True
    found = survey(_frames([slab, cell, cell, _water()]))
    assert (found.periodic, found.partly_periodic) == (2, 1)


def test_neighbors_of_a_crystal_are_those_of_its_shells():
    # fcc, a = 3.6 A, within 5 A: shells at a/sqrt(2) = 2.55, a = 3.6 and a sqrt(3/2) = 4.41 A, of 12, 6 and 24 atoms.
    copper = bulk("Cu", a=3.6)
    copper.info["energy"] = -3.0
    assert survey(_frames([copper])).neighbors == 42


def test_reference_labels_are_preferred_to_those_any_calculator_sets():
    frames = [_water(REF_energy=-3.0, dft_energy=-2.0) for _ in range(4)]
    for atoms in frames:
        atoms.arrays["REF_forces"] = np.full((3, 3), 2.0)
    found = survey(_frames(frames))
    assert [candidate.key for candidate in found.energy] == ["REF_energy", "dft_energy", "energy"]
    assert [candidate.key for candidate in found.forces] == ["REF_forces", "forces"]
    assert (found.forces[0].place, found.forces[0].rms) == ("arrays", 2.0)


def test_a_label_that_more_frames_have_comes_first():
    frames = [_water() for _ in range(4)]
    frames[0].info["REF_energy"] = -3.0
    found = survey(_frames(frames))
    assert [(candidate.key, candidate.frames) for candidate in found.energy] == [("energy", 4), ("REF_energy", 1)]


def test_labels_that_are_not_finite_do_not_count():
    assert survey(_frames([_water(), _water(energy=np.nan)])).energy[0].frames == 1


def test_entries_that_only_sound_like_labels():
    atoms = _water(kinetic_energy=1.0, energy_weight=2.0, energy_unit="eV", band_energy=1.0)
    atoms.arrays["force_mask"] = np.ones((3, 3))
    atoms.arrays["forces_norm"] = np.ones(3)
    found = survey(_frames([atoms]))
    assert [candidate.key for candidate in found.energy] == ["energy"]
    assert [candidate.key for candidate in found.forces] == ["forces"]


def test_stresses_and_virials_under_any_name():
    atoms = _water(virial=np.eye(3), my_stress=[1.0] * 6, stress_weight=1.0, virial_note="none")
    assert {candidate.key for candidate in survey(_frames([atoms])).stress} == {"virial", "my_stress"}


@pytest.mark.parametrize(
    ("infos", "expected"),
    [
        ([{"config_type": "a"}] * 4, "config_type"),
        ([{"phase": "ice"}, {"phase": "ice"}, {"phase": "steam"}, {"phase": "steam"}], "phase"),
        ([{"name": f"frame {index}"} for index in range(4)], None),
        ([{"phase": "ice"}] * 4, None),
    ],
)
def test_group_key(infos, expected):
    assert survey(_frames([_water(**info) for info in infos])).group_key == expected


def test_groups_are_counted():
    frames = [_water(config_type=name) for name in ("a", "b", "b", "b")]
    assert survey(_frames(frames)).groups == {"a": 1, "b": 3}


def test_nothing_but_isolated_atoms():
    with pytest.raises(DataError, match="2 frames, of which 2 are isolated atoms"):
        survey(_frames([Atoms("H"), Atoms("O")]))


def test_no_labels_lists_what_there_is():
    atoms = molecule("H2O")
    atoms.info["charge"] = 0
    with pytest.raises(DataError, match=r"charge \(info\)"):
        survey(_frames([atoms]))
