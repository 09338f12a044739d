import ase.io
import pytest
from ase import Atoms
from ase.build import bulk
from morse_family import R0, save_morse


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_morse(tmp_path / "morse.potential", monkeypatch)
    ase.io.write("dimers.xyz", [Atoms("Cu2", [[0, 0, 0], [0, 0, length]]) for length in (2.5, 2.7, 3.2)])
    ase.io.write("crystal.xyz", bulk("Cu", a=3.7, cubic=True))
    return "morse.potential"


def test_many_structures(potentials, model):
    result = potentials("relax", model, "dimers.xyz", "--fmax", 1e-4)
    assert result.exit_code == 0, result.output
    relaxed = ase.io.read("relaxed.extxyz", index=":")
    assert [atoms.get_distance(0, 1) for atoms in relaxed] == pytest.approx([R0] * 3, abs=1e-4)
    for atoms in relaxed:
        assert atoms.info["relaxation_converged"]
        assert atoms.get_potential_energy() == pytest.approx(-0.3429 - 6.0, abs=1e-6)
        assert abs(atoms.get_forces()).max() < 1e-4
    assert result.stdout.count("yes") == 3
    assert "dimers.xyz, frame 2" in result.stdout
    assert "-6.3429" in result.stdout  # the depth of the well and two isolated atoms


def test_cell_and_pressure(potentials, model):
    for pressure, optimizer in ((0, "fire"), (10, "bfgs")):
        options = ["--cell", "--pressure", pressure, "--optimizer", optimizer, "--fmax", 1e-4, "-o", f"{pressure}.xyz"]
        result = potentials("relax", model, "crystal.xyz", *options)
        assert result.exit_code == 0, result.output
        assert "stress (GPa)" in result.stdout
    free, pressed = ase.io.read("0.xyz"), ase.io.read("10.xyz")
    assert free.cell.lengths() == pytest.approx([3.5639] * 3, abs=1e-3)
    assert pressed.get_volume() < 0.97 * free.get_volume()


def test_what_did_not_converge_is_said(potentials, model):
    result = potentials("relax", model, "dimers.xyz", "--fmax", 1e-6, "--steps", 1)
    assert result.exit_code == 0
    assert "3 of 3 structures did not converge in 1 step;" in result.stderr
    assert result.stdout.count("NO") == 3
    assert not any(atoms.info["relaxation_converged"] for atoms in ase.io.iread("relaxed.extxyz"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.potential", "dimers.xyz"], "missing.potential"),
        (["morse.potential", "missing.xyz"], "missing.xyz"),
        (["morse.potential", "dimers.xyz", "--cell"], "dimers.xyz, frame 0: relaxing the cell requires"),
        (["morse.potential", "gold.xyz"], "gold.xyz, frame 1: the structure Au"),
        (["morse.potential", "dimers.xyz", "--pressure", "1"], "requires relaxation of the cell"),
        (["morse.potential", "dimers.xyz", "--fmax", "0"], "positive force in eV/A"),
        (["morse.potential", "dimers.xyz", "-o", "dimers.xyz"], "is also an input"),
        (["morse.potential", "dimers.xyz", "-o", "nowhere/x.xyz"], "folder of the output"),
        (["morse.potential", "dimers.xyz", "-o", "x.cif"], "expected a name that ends in"),
        (["morse.potential", "dimers.xyz", "--optimizer", "cg"], "cg"),
    ],
)
def test_bad_input(potentials, model, arguments, message):
    ase.io.write("gold.xyz", [bulk("Cu"), bulk("Au")])
    result = potentials("relax", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr.replace("\n", " ")
    assert len(ase.io.read("dimers.xyz", index=":")) == 3
