"""Single wrong energies among alloys, molecules and crystals; nothing where the energies are right."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from ase import Atoms
from scipy.optimize import linprog
from setup import planted
from setup.test_small_sets import alloys

from potentials.data.audit.finding import AuditFinding
from potentials.data.audit.outliers import energy_outlier_findings, least_absolute
from potentials.data.audit.quick import brief_audit
from potentials.data.findings import Findings
from potentials.data.label import LabeledFrame
from potentials.data.read import Frame


def labeled(frames: list[Atoms]) -> list[LabeledFrame]:
    return [
        LabeledFrame(
            frame=Frame(atoms, "a.xyz", number),
            energy=atoms.calc.results["energy"],
            forces=atoms.calc.results["forces"],
            stress=np.full((3, 3), np.nan),
        )
        for number, atoms in enumerate(frames)
    ]


def found(frames: list[LabeledFrame], count: int | None = None) -> list[AuditFinding]:
    parts = {"training": frames[:count], "validation": [] if count is None else frames[count:]}
    return list(energy_outlier_findings(parts))


@pytest.mark.parametrize("off", [1e7, 1e4, 100.0, 10.0])
@pytest.mark.parametrize("count", [20, 60])
def test_one_wrong_energy_is_named(off: float, count: int) -> None:
    """Eight atoms, so 10 eV are 1.25 eV an atom; in the part that the frame is in."""
    frames = planted.change(alloys(count, 5), [5], planted.shifted_energy(off))
    (finding,) = found(labeled(frames), 4)
    assert finding.what.startswith("validation: the energies in 1 of ")
    assert [frame.index for frame in finding.frames] == [5]
    assert finding.figures["largest_eV_per_atom"] == pytest.approx(off / 8, abs=0.3)


@pytest.mark.parametrize(
    "sound",
    [
        lambda: alloys(20, 1),
        lambda: alloys(60, 2),
        lambda: planted.ethanol()[:100],
        lambda: [atoms for atoms in planted.copper() if len(atoms) > 1],
    ],
)
def test_sound_energies_are_not_named(sound: Callable[[], list[Atoms]]) -> None:
    assert found(labeled(sound())) == []


def test_a_warning_before_training_names_file_and_frame() -> None:
    findings = Findings()
    frames = planted.change(planted.ethanol()[:100], [60], planted.shifted_energy(-3.0))
    brief_audit({"training": labeled(frames)}, findings)
    (warning,) = findings.warnings
    assert "training: the energies in 1 of " in warning
    assert "1 frame (a.xyz: 60)" in warning


def test_the_smallest_sum_of_absolute_residuals() -> None:
    """Against linear programming, of data with gross errors."""
    random = np.random.default_rng(0)
    matrix = random.random((30, 3))
    target = matrix @ [-1.0, -30.0, 5.0] + random.normal(scale=0.1, size=30)
    target[::7] += 1e6
    bounds = [(None, None)] * 3 + [(0, None)] * 60
    exact = linprog(
        [0] * 3 + [1] * 60, A_eq=np.hstack([matrix, np.eye(30), -np.eye(30)]), b_eq=target, bounds=bounds
    ).fun
    ours = np.abs(target - matrix @ least_absolute(matrix, target)).sum()
    assert ours == pytest.approx(exact, rel=1e-6)
