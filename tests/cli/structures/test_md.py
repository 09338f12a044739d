import os
import signal
from dataclasses import fields
from inspect import signature
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.constraints import FixSubsetCom
from morse_family import save_morse

from potentials.cli.structures.md import md
from potentials.potential import PotentialCalculator
from potentials.simulation import MDSettings
from potentials.simulation.md_log import read_log


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A model file in the current folder."""
    monkeypatch.chdir(tmp_path)
    save_morse(tmp_path / "morse.potential", monkeypatch)
    ase.io.write("crystal.xyz", [bulk("Cu", a=3.0), bulk("Cu", a=3.564, cubic=True)])
    ase.io.write("molecule.xyz", Atoms("Cu2", [[0, 0, 0], [0, 0, 2.6]]))
    return "morse.potential"


def test_nve_prints_the_drift_of_the_total_energy(potentials, model, tmp_path):
    result = potentials("md", model, "crystal.xyz", "--time", "50fs", "--timestep", 1, "--supercell", "2 1 1")
    assert result.exit_code == 0, result.output
    for words in ("Cu8, 8 atoms", "nve", "50 steps of 1 fs, 0.05 ps", "drift", "meV/atom/ps", "ns/day", "GPa"):
        assert words in result.stdout
    assert len(ase.io.read("md.traj", index=":")) == 6
    assert len(read_log(tmp_path / "md.csv")) == 6


@pytest.mark.parametrize(
    ("ensemble", "options"),
    [("langevin", ["--temperature-end", 400, "--friction", 0.02]), ("npt", ["--pressure", 1, "--friction", 0.02])],
)
def test_thermostats(potentials, model, ensemble, options):
    options = ["--ensemble", ensemble, "--steps", 20, "--every", 5, "-o", "hot.traj", *options]
    result = potentials("md", model, "crystal.xyz", *options)
    assert result.exit_code == 0, result.output
    assert ensemble in result.stdout
    assert ("A^3/atom" in result.stdout) == (ensemble == "npt")
    assert "drift" not in result.stdout
    assert len(ase.io.read("hot.traj", index=":")) == 5


def test_index_chooses_the_frame(potentials, model):
    assert potentials("md", model, "crystal.xyz", "--index", 0, "--steps", 0).exit_code == 0
    assert len(ase.io.read("md.traj")) == 1


def test_ctrl_c_and_the_same_command_again(potentials, model, monkeypatch):
    command = ["md", model, "molecule.xyz", "--steps", 30]
    calculate, calls = PotentialCalculator.calculate, iter(range(10**6))

    def interrupted(self, *arguments):
        if next(calls) == 14:
            os.kill(os.getpid(), signal.SIGINT)
        calculate(self, *arguments)

    monkeypatch.setattr(PotentialCalculator, "calculate", interrupted)
    stopped = potentials(*command)
    assert stopped.exit_code == 130
    assert "stopped at step 14 of 30; run the same command again to continue" in stopped.stderr
    monkeypatch.setattr(PotentialCalculator, "calculate", calculate)
    continued = potentials(*command)
    assert continued.exit_code == 0
    assert "continued from step 14" in continued.stdout
    assert potentials(*command, "--output", "whole.traj").exit_code == 0
    last, whole = ase.io.read("md.traj"), ase.io.read("whole.traj")
    assert np.array_equal(last.positions, whole.positions)
    assert np.array_equal(last.get_momenta(), whole.get_momenta())
    again = potentials(*command)
    assert again.exit_code == 0
    assert "the run is complete" in again.stderr
    other = potentials(*command, "--temperature", 500)
    assert other.exit_code == 2
    assert "temperature was 300.0, now 500.0" in other.stderr
    assert potentials(*command, "--temperature", 500, "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.potential", "crystal.xyz"], "missing.potential"),
        (["morse.potential", "missing.xyz"], "missing.xyz"),
        (["morse.potential", "crystal.xyz", "--index", "7"], "selects no frame"),
        (["morse.potential", "morse.potential"], "cannot read morse.potential"),
        (["morse.potential", "gold.xyz"], "contains Au"),
        (["morse.potential", "molecule.xyz", "--ensemble", "npt"], "periodic in three directions"),
        (["morse.potential", "molecule.xyz", "--supercell", "2 1 1"], "direction that is not periodic"),
        (["morse.potential", "crystal.xyz", "--supercell", "2 2"], "three positive integers"),
        (["morse.potential", "crystal.xyz", "--friction", "0.1"], "nve has no thermostat"),
        (["morse.potential", "crystal.xyz", "--steps", "5", "--time", "5ps"], "not both"),
        (["morse.potential", "crystal.xyz", "--time", "5"], "expected a number and a unit"),
        (["morse.potential", "crystal.xyz", "--keep-velocities"], "no velocities to keep"),
        (["morse.potential", "crystal.xyz", "--device", "tpu"], 'got "tpu"'),
        (["morse.potential", "crystal.xyz", "--skin", "-1"], "skin"),
        (["morse.potential", "crystal.xyz", "-o", "md.dat"], "expected a trajectory"),
        (["morse.potential", "crystal.xyz", "--ensemble", "nvt"], "nvt"),
    ],
)
def test_bad_input(potentials, model, arguments, message):
    ase.io.write("gold.xyz", bulk("Au"))
    result = potentials("md", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr.replace("\n", " ")
    assert not list(Path.cwd().glob("md.*"))


def test_defaults_are_those_of_the_settings():
    options = signature(md).parameters
    for field in fields(MDSettings):
        if field.name != "steps":  # None: the length may be given as a time instead
            assert options[field.name].default == field.default, field.name


@pytest.mark.parametrize("name", ["crystal.traj", "./crystal.traj", "linked.traj", "hard.traj", "here/crystal.traj"])
def test_the_output_is_never_the_input(potentials, model, tmp_path, name):
    ase.io.write("crystal.traj", [bulk("Cu", a=3.0), bulk("Cu", a=3.564, cubic=True)])
    Path("linked.traj").symlink_to("crystal.traj")
    os.link("crystal.traj", "hard.traj")
    Path("here").symlink_to(tmp_path)
    before = Path("crystal.traj").read_bytes()
    for options in (["--overwrite"], []):
        result = potentials("md", model, "crystal.traj", "--steps", 2, "-o", name, *options)
        assert result.exit_code == 2, result.output
        assert "is also an input" in result.stderr
        assert Path("crystal.traj").read_bytes() == before


def test_the_default_output_is_not_taken_for_the_input(potentials, model):
    ase.io.write("md.traj", bulk("Cu", a=3.564, cubic=True))
    before = Path("md.traj").read_bytes()
    result = potentials("md", model, "md.traj", "--steps", 2, "--overwrite")
    assert result.exit_code == 2
    assert "the output md.traj is also an input" in result.stderr
    assert Path("md.traj").read_bytes() == before


def test_the_log_replaces_no_other_file(potentials, model):
    Path("md.csv").write_text("my,own,table\n1,2,3\n")
    for options in ([], ["--overwrite"]):
        result = potentials("md", model, "crystal.xyz", "--steps", 2, *options)
        assert result.exit_code == 2
        assert "md.csv would replace a file that was not written by `potentials md`" in result.stderr
    assert Path("md.csv").read_text() == "my,own,table\n1,2,3\n"
    assert not Path("md.traj").exists()


def test_constraints_that_dynamics_cannot_have_are_named(potentials, model):
    atoms = bulk("Cu", a=3.564, cubic=True)
    atoms.set_constraint(FixSubsetCom([0, 1]))
    ase.io.write("fixed.traj", atoms)
    result = potentials("md", model, "fixed.traj", "--steps", 2)
    assert result.exit_code == 2
    assert "FixSubsetCom" in result.stderr
    assert not Path("md.traj").exists()
