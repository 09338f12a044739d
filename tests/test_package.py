import subprocess
import sys
from importlib.metadata import version

import pytest
from ase.build import bulk
from morse_family import morse_oracle, save_morse

import potentials


def test_version_is_that_of_the_installation():
    assert potentials.__version__ == version("potentials")


def test_importing_the_package_imports_nothing_heavy():
    program = "import sys, potentials; sys.exit(bool({'torch', 'ase', 'numpy'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_loaded_potential_is_an_ase_calculator(tmp_path, monkeypatch):
    file = save_morse(tmp_path / "morse.potential", monkeypatch)
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=1)
    atoms.calc = potentials.load(file).calculator(skin=0.1)
    forces = atoms.get_forces()
    atoms.calc = morse_oracle()
    assert forces == pytest.approx(atoms.get_forces(), abs=1e-10)


def test_a_potential_writes_itself(tmp_path, monkeypatch):
    file = save_morse(tmp_path / "morse.potential", monkeypatch)
    potentials.load(file).save(tmp_path / "copy.potential")
    assert (tmp_path / "copy.potential").read_bytes() == file.read_bytes()


def test_names_that_are_not_there():
    assert {"load", "Potential", "Prediction"} <= set(dir(potentials))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = potentials.nonsense


FIRST_CALL = """
import sys
from ase import Atoms
import potentials
calculator = potentials.load("builtin:ethanol").calculator()
Atoms("OH", [[0, 0, 0], [0, 0, 1]], calculator=calculator).get_forces()
slow = {"torch_geometric", "torch._dynamo", "sympy", "e3nn", "ase.io", "ase.db", "lightning"}
print(*sorted(slow & set(sys.modules)))
"""


@pytest.mark.slow
def test_a_calculator_imports_only_what_it_needs(tmp_path, monkeypatch):
    """With the caches of a first process: what takes seconds to import is not needed for the first forces."""
    monkeypatch.setenv("POTENTIALS_CACHE", str(tmp_path))
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", FIRST_CALL], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


def test_help_imports_nothing_of_numerics():
    program = (
        "import sys\nsys.argv = ['potentials', '--help']\nfrom potentials.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "sys.exit(bool({'torch', 'ase', 'numpy', 'pydantic'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
