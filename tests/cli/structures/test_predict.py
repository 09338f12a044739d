from dataclasses import replace
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from morse_family import REFERENCE_ENERGIES, morse_oracle, save_morse

from potentials.data.conversion.sqlite_writer import SqliteWriter
from potentials.data.read.frames import Frame
from potentials.potential import Potential
from potentials.potential.model_file import load, save


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_morse(tmp_path / "morse.potential", monkeypatch)
    crystal, molecule = bulk("Cu", cubic=True), Atoms("Cu2", [[0, 0, 0], [0, 0, 2.6]])
    crystal.positions[0] += 0.1
    molecule.calc = SinglePointCalculator(molecule, energy=4.0, forces=np.ones((2, 3)))
    ase.io.write("mixed.xyz", [crystal, molecule])
    return "morse.potential"


@pytest.mark.parametrize("batch_size", [1, 8])
def test_predictions_are_those_of_the_oracle(potentials, model, batch_size):
    result = potentials("predict", model, "mixed.xyz", "-o", "out.extxyz", "--batch-size", batch_size)
    assert result.exit_code == 0, result.output
    assert "2, 6 atoms" in result.stdout
    assert "out.extxyz" in result.stdout
    crystal, molecule = ase.io.read("out.extxyz", index=":")
    for atoms in (crystal, molecule):
        oracle = atoms.copy()
        oracle.calc = morse_oracle()
        energies = oracle.get_potential_energies() + REFERENCE_ENERGIES["Cu"]
        assert atoms.get_potential_energy() == pytest.approx(energies.sum(), abs=1e-7)
        np.testing.assert_allclose(atoms.get_potential_energies(), energies, atol=1e-7)
        np.testing.assert_allclose(atoms.get_forces(), oracle.get_forces(), atol=1e-7)
    oracle = crystal.copy()
    oracle.calc = morse_oracle()
    np.testing.assert_allclose(crystal.get_stress(), oracle.get_stress(), atol=1e-7)
    assert molecule.info["reference_energy"] == 4.0
    assert np.array_equal(molecule.arrays["reference_forces"], np.ones((2, 3)))


def test_a_failure_leaves_the_file_of_an_earlier_call(potentials, model):
    ase.io.write("gold.xyz", [bulk("Cu"), bulk("Au")])
    assert potentials("predict", model, "mixed.xyz").exit_code == 0
    result = potentials("predict", model, "gold.xyz", "--batch-size", 1)
    assert result.exit_code == 2
    assert "gold.xyz, frame 1: the structure Au contains Au; the model supports O, Cu" in result.stderr.replace(
        "\n", " "
    )
    assert len(ase.io.read("predicted.extxyz", index=":")) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.potential", "mixed.xyz"], "missing.potential"),
        (["morse.potential", "missing.xyz"], "missing.xyz"),
        (["morse.potential", "morse.potential"], "cannot read morse.potential"),
        (["morse.potential", "mixed.xyz", "-o", "mixed.xyz"], "is also an input"),
        (["morse.potential", "mixed.xyz", "--batch-size", "0"], "batch_size"),
        (["morse.potential", "mixed.xyz", "--device", "cuda:99"], "PyTorch finds"),
    ],
)
def test_bad_input(potentials, model, arguments, message):
    result = potentials("predict", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr.replace("\n", " ")
    assert len(ase.io.read("mixed.xyz", index=":")) == 2


@pytest.mark.parametrize("command", ["predict", "relax"])
def test_odd_entries_come_back_or_are_warned_of(potentials, model, command):
    atoms = bulk("Cu", cubic=True)
    atoms.info |= {"note": "first line\nsecond line", "path": "C:\\temp", "digits": "0012", "kpts": {"k": [2, 2, 2]}}
    atoms.info["complex"] = 1j
    atoms.set_array("bec", np.arange(36.0).reshape(4, 3, 3))
    writer = SqliteWriter(Path("odd.db"))
    writer.add(Frame(atoms, "here", 0))
    writer.close()
    result = potentials(command, model, "odd.db", "-o", "out.xyz")
    assert result.exit_code == 0, result.output
    (written,) = ase.io.read("out.xyz", index=":")
    for key in ("note", "path", "digits", "kpts"):
        assert written.info[key] == atoms.info[key]
    assert np.isfinite(written.get_potential_energy())
    assert np.array_equal(written.arrays["bec"], np.arange(36.0).reshape(4, 9))
    assert "warning: out.xyz: extended XYZ cannot store these entries exactly" in result.stderr
    assert 'omitted or changed: info "complex"' in result.stderr
    assert 'array "bec" (its shape [4, 3, 3] becomes 9 columns)' in result.stderr


@pytest.mark.parametrize("command", ["predict", "relax", "md"])
def test_commands_give_no_nan(potentials, model, command, monkeypatch):
    def not_a_number(self, *arguments, **options):
        found = forward(self, *arguments, **options)
        return replace(found, energy=found.energy * np.nan, forces=found.forces * np.nan)

    forward = Potential.forward
    monkeypatch.setattr(Potential, "forward", not_a_number)
    ase.io.write("one.xyz", bulk("Cu", cubic=True))
    output = "out.traj" if command == "md" else "out.xyz"
    result = potentials(command, model, "one.xyz", "-o", output)
    assert result.exit_code == 2, result.output
    assert "not finite" in " ".join(result.stderr.split())
    assert not list(Path().glob("*out.*"))


def test_a_file_in_bohr_is_converted_or_warned_about(potentials, model):
    """A potential that was trained on files in Bohr, as its metadata say, and the same structures in both units."""
    potential = load(Path(model))
    potential.metadata = {"config": {"data": {"length_unit": "Bohr"}}}
    save(potential, Path("bohr.potential"))
    frames = ase.io.read("mixed.xyz", index=":")
    for atoms in frames:
        atoms.set_cell(atoms.cell / 0.529177210671)
        atoms.positions /= 0.529177210671
    ase.io.write("bohr.xyz", frames)
    assert potentials("predict", model, "mixed.xyz", "-o", "a.extxyz").exit_code == 0
    result = potentials("predict", "bohr.potential", "bohr.xyz", "-o", "b.extxyz", "--length-unit", "Bohr")
    assert "warning" not in result.stderr
    for one, other in zip(ase.io.read("a.extxyz", ":"), ase.io.read("b.extxyz", ":"), strict=True):
        assert one.get_potential_energy() == pytest.approx(other.get_potential_energy(), abs=1e-6)
    result = potentials("predict", "bohr.potential", "mixed.xyz", "-o", "c.extxyz")
    assert "the potential was trained on files in Bohr" in " ".join(result.stderr.split())
    result = potentials("predict", model, "mixed.xyz", "-o", "c.extxyz", "--length-unit", "bohr")
    assert result.exit_code == 2
