"""What the room promises whoever imports from it."""

import subprocess
import sys

import pytest

COMPLETE = """
from {home} import {name}
potential = {made}
print(all(callable(getattr(potential, method)) for method in ("save", "calculator", "compile_for_md")))
"""


@pytest.mark.parametrize(
    ("home", "name", "made"),
    [
        ("potentials.potential.potential", "Potential", "Potential"),
        pytest.param("potentials.potential", "Potential", "Potential", marks=pytest.mark.slow),
        pytest.param("potentials", "Potential", "Potential", marks=pytest.mark.slow),
        pytest.param("potentials.potential.model_file", "load", "load('builtin:ethanol')", marks=pytest.mark.slow),
    ],
)
def test_a_potential_is_complete_wherever_it_comes_from(home, name, made):
    """In a fresh process: nothing that another import did may be needed."""
    program = COMPLETE.format(home=home, name=name, made=made)
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["True"]
