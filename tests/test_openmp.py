"""How long PyTorch's threads wait for work: read from the OpenMP library itself, in processes of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from potentials.openmp import SPIN_COUNT, VARIABLES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="GCC's OpenMP library comes with PyTorch for Linux")


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A process that lets the library say its settings when it is loaded."""
    clean = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=clean | {"OMP_DISPLAY_ENV": "VERBOSE"} | environment,
        capture_output=True,
        text=True,
        check=True,
    )


def spin_count(output: str) -> str:
    found = re.search(r"GOMP_SPINCOUNT = '(\w+)'", output)
    assert found is not None, output
    return found[1]


def test_waiting_is_bounded() -> None:
    done = run("import potentials, torch")
    assert spin_count(done.stderr) == SPIN_COUNT


@pytest.mark.slow
def test_the_user_decides() -> None:
    code = "import potentials, torch; from potentials.openmp import waiting; print(waiting())"
    done = run(code, GOMP_SPINCOUNT="4321")
    assert (spin_count(done.stderr), done.stdout) == ("4321", "GOMP_SPINCOUNT=4321\n")
    done = run(code, OMP_WAIT_POLICY="passive")
    assert (spin_count(done.stderr), done.stdout) == ("0", "OMP_WAIT_POLICY=passive\n")


@pytest.mark.slow
def test_too_late_is_said() -> None:
    done = run("import torch, potentials; from potentials.openmp import waiting; print(waiting())")
    assert spin_count(done.stderr) != SPIN_COUNT
    assert "(torch was imported before potentials)" in done.stdout


@pytest.mark.slow
def test_other_programs_keep_their_environment() -> None:
    done = run("import potentials.kernels, os; print(os.environ.get('GOMP_SPINCOUNT'))")
    assert (spin_count(done.stderr), done.stdout) == (SPIN_COUNT, "None\n")
    done = run("import potentials.kernels, os; print(os.environ.get('GOMP_SPINCOUNT'))", GOMP_SPINCOUNT=SPIN_COUNT)
    assert done.stdout == f"{SPIN_COUNT}\n"
