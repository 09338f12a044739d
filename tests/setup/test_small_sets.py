"""What the audit says of small sets: nothing that so few frames cannot tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from setup import planted

import potentials.models  # noqa: F401  (enters the families)
from potentials.setup.audit.audit import Audit, audit, data_of_files, labels_of_files
from potentials.setup.audit.consistency import slope_doubt


def alloys(count: int, seed: int, strain: float = 0.04) -> list[Atoms]:
    """Strained and rattled cells of eight atoms of copper and gold, with EMT's energies, forces and stresses."""
    random = np.random.default_rng(seed)
    frames = []
    for _ in range(count):
        atoms = bulk("Cu", "fcc", a=3.75, cubic=True) * (1, 1, 2)
        atoms.symbols[random.random(len(atoms)) < 0.5] = "Au"
        atoms.set_cell(atoms.cell @ (np.eye(3) + strain * random.standard_normal((3, 3))), scale_atoms=True)
        atoms.positions += 0.08 * random.standard_normal(atoms.positions.shape)
        atoms.calc = EMT()
        results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(), "stress": atoms.get_stress()}
        atoms.calc = SinglePointCalculator(atoms, **results)
        frames.append(atoms)
    return frames


def audited(folder: Path, frames: list[Atoms]) -> Audit:
    file = planted.write(folder / "a.xyz", frames)
    return audit(data_of_files(file, {}, labels_of_files(file), 5.0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "seed", "strain"), [(24, 2, 0.04), (24, 3, 0.04), (24, 5, 0.04), (30, 0, 0.04), (24, 0, 0.0)]
)
def test_sound_data_are_not_called_faulty(count: int, seed: int, strain: float, tmp_path: Path) -> None:
    found = audited(tmp_path, alloys(count, seed, strain))
    assert [finding.check for finding in found.findings if finding.severity != "note"] == []
    notes = [finding.what for finding in found.findings if finding.check == "not-compared"]
    assert notes
    assert all("too few;" in note for note in notes)


@pytest.mark.slow
def test_stresses_of_the_wrong_sign_are_found_in_a_small_set(tmp_path: Path) -> None:
    """Strained cells fix the stresses even where forces alone do not fix the energies."""
    found = audited(tmp_path, planted.all_scaled(alloys(30, 1), "stress", -1))
    assert [finding.check for finding in found.findings if finding.severity == "error"] == ["stress-unit"]


def test_doubt_of_a_slope_is_the_scatter_of_slopes() -> None:
    """Sound labels y and predictions y + D e with normal e: the standard deviation of y.x / x.x, by many draws."""
    random = np.random.default_rng(0)
    labels = random.normal(size=40)
    deviations = 0.05 * random.normal(size=(40, 7))
    predictions = labels + random.normal(size=(4000, 7)) @ deviations.T
    slopes = (predictions @ labels) / np.square(predictions).sum(axis=1)
    doubt = slope_doubt(labels, deviations)
    assert doubt.slope == pytest.approx(5 * slopes.std(), rel=0.2)
    expected = np.sqrt(np.square(predictions - labels).sum(axis=1).mean() / np.square(labels).sum())
    assert doubt.share == pytest.approx(expected, rel=0.2)
