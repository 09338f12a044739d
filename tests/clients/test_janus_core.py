"""janus-core: a single point, a relaxation, and an equation of state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ase.io
import numpy as np
import pytest
from clients.guide import run_snippets

from potentials.physics.crystals import equation_of_state, relaxed_crystal
from potentials.potential import PotentialCalculator


def test_the_snippet(folder: Path, client: Callable[..., None]) -> None:
    client("janus_core")
    left = run_snippets("janus-core")
    atoms = ase.io.read("crystal.xyz")
    atoms.calc = PotentialCalculator("copper.potential")
    assert left["results"]["energy"] == pytest.approx(atoms.get_potential_energy(), abs=1e-10)
    np.testing.assert_allclose(left["results"]["forces"], atoms.get_forces(), atol=1e-10)
    np.testing.assert_allclose(left["results"]["stress"], atoms.get_stress(), atol=1e-10)


def test_equation_of_state(folder: Path, client: Callable[..., None]) -> None:
    """The bulk modulus and the volume are ours."""
    client("janus_core")
    from janus_core.calculations.eos import EoS

    calculator = PotentialCalculator("copper.potential")
    crystal = relaxed_crystal(calculator, ase.io.read("crystal.xyz"))
    ours = equation_of_state(calculator, crystal)
    crystal.calc = PotentialCalculator("copper.potential")
    found = EoS(
        struct=crystal, minimize=False, min_volume=0.94, max_volume=1.06, n_volumes=9, write_results=False
    ).run()
    assert found["bulk_modulus"] == pytest.approx(ours.bulk_modulus, rel=2e-3)
    assert found["v_0"] / len(crystal) == pytest.approx(ours.volume, rel=2e-4)
