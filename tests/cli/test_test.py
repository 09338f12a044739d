import json
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from morse_family import REFERENCE_ENERGIES, morse_oracle, save_morse


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A potential, and two files whose energies are off by 8 and 12 meV/atom, forces by 0.1 eV/A along x."""
    monkeypatch.chdir(tmp_path)
    save_morse(tmp_path / "morse.potential", monkeypatch)
    for name, offset in (("a.xyz", 0.008), ("b.xyz", 0.012)):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.05, seed=1)
        atoms.info["config_type"] = "bulk"
        oracle = atoms.copy()
        oracle.calc = morse_oracle()
        energy = oracle.get_potential_energy() + len(atoms) * (REFERENCE_ENERGIES["Cu"] + offset)
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=oracle.get_forces() + np.array([0.1, 0, 0]))
        ase.io.write(name, atoms)
    return "morse.potential"


def test_a_row_for_each_file_in_milli_units(potentials, model):
    result = potentials("test", model, "a.xyz", "b.xyz", "-o", "errors.json", "--parity", "parity.csv")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    rmse = f"{100 / np.sqrt(3):.1f}"
    assert ["a.xyz", "1", "8.00", "8.00", "33.3", rmse] in lines
    assert ["b.xyz", "1", "12.0", "12.0", "33.3", rmse] in lines
    assert "energy meV/atom, forces meV/A" in result.stdout
    assert 'labels: energy from "energy" (eV), forces from "forces" (eV/A)' in result.stderr
    data = json.loads(Path("errors.json").read_text())
    assert data["splits"][1]["errors"]["energy_per_atom"]["mae"] == pytest.approx(0.012, abs=1e-7)
    assert len(Path("parity.csv").read_text().splitlines()) == 1 + 2 * (1 + 12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.potential", "a.xyz"], "missing.potential"),
        (["morse.potential", "missing.xyz"], "missing.xyz"),
        (["morse.potential", "a.xyz", "--energy", "enrgy"], 'did you mean "energy"'),
        (["morse.potential", "a.xyz", "--energy-unit", "eV/A"], "energy.unit"),
        (["morse.potential", "a.xyz", "--batch-size", "0"], "batch-size"),
        (["morse.potential", "a.xyz", "-o", "nowhere/errors.json"], "nowhere/errors.json"),
    ],
)
def test_bad_input_ends_with_2(potentials, model, arguments, message):
    result = potentials("test", *arguments)
    assert result.exit_code == 2, result.output
    assert message in result.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    "options",
    [["-o", "a.xyz"], ["--parity", "here/a.xyz"], ["-o", "morse.potential"], ["-o", "x.json", "--parity", "x.json"]],
)
def test_outputs_are_no_inputs(potentials, model, tmp_path, options):
    Path("here").symlink_to(tmp_path)
    before = [Path(name).read_bytes() for name in ("a.xyz", model)]
    result = potentials("test", model, "a.xyz", *options)
    assert result.exit_code == 2, result.output
    assert "also an input" in result.stderr or "two outputs" in result.stderr
    assert [Path(name).read_bytes() for name in ("a.xyz", model)] == before
