"""matcalc: elastic constants and phonons, alone and in two processes of joblib."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from clients.guide import run_snippets

from potentials.physics.crystals import elastic_constants, relaxed_crystal
from potentials.physics.phonons import phonon_dispersion
from potentials.potential import PotentialCalculator


def test_the_snippet(folder: Path, client: Callable[..., None]) -> None:
    """Two crystals in two processes; numbers are those of our own strains and displacements."""
    client("matcalc")
    from pymatgen.analysis.elasticity import ElasticTensor

    left = run_snippets("matcalc")
    calculator = PotentialCalculator("copper.potential")
    crystal = relaxed_crystal(calculator, left["crystals"][0])
    ours = elastic_constants(calculator, crystal)
    for result in left["results"]:
        assert result["final_structure"].volume / len(result["final_structure"]) == pytest.approx(
            crystal.get_volume() / len(crystal), rel=1e-4
        )
        # pymatgen's tensors lose an attribute on their way out of a process; their numbers are whole.
        tensor = np.asarray(ElasticTensor(np.asarray(result["elastic_tensor"])).voigt)
        np.testing.assert_allclose(tensor, ours.stiffness, atol=0.01 * ours.stiffness.max())
        assert result["bulk_modulus_vrh"] == pytest.approx(ours.bulk[2], rel=0.01)
        assert result["shear_modulus_vrh"] == pytest.approx(ours.shear[2], rel=0.01)
    highest = phonon_dispersion(calculator, crystal, (4, 4, 4), points=60).frequencies.max()
    assert left["frequencies"].max() == pytest.approx(highest, rel=0.03)
    assert left["frequencies"].min() > -0.05
