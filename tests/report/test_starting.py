"""The section that compares a potential with the one it started from."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from families.cases import cases
from families.structures import ELEMENTS
from report_subjects import cells, kinds_of_marks, subject, tables

from potentials.data.label import LabeledFrame
from potentials.data.read import Frame
from potentials.potential import Potential
from potentials.potential.clusters import rattled_cluster
from potentials.report.report import SECTIONS
from potentials.report.sections import starting

CASE = next(case for case in cases() if str(case) == "mace invariant")


def start_and_end(folder: Path, change: float) -> tuple[Potential, Potential]:
    """A potential in a file, and one whose weights differ from it, which says that it started there."""
    start = CASE.potential()
    path = folder / "start.potential"
    start.save(path)
    end = start.with_new_weights()
    end.model.load_state_dict(start.model.state_dict())
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in end.parameters():
            parameter.mul_(1 + change * torch.randn_like(parameter))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    end.metadata = {"started_from": {"file": str(path), "sha256": sha256, "method": "full"}}
    return start, end.eval().requires_grad_(False)


def frames_of(potential: Potential) -> list[LabeledFrame]:
    """Clusters with labels of a potential."""
    frames = []
    for number, scale in enumerate((0.9, 1.0, 1.1)):
        atoms = rattled_cluster(ELEMENTS, scale)
        atoms.calc = potential.calculator(compiled=False)
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = None
        no_stress = np.full((3, 3), np.nan)
        frames.append(LabeledFrame(Frame(atoms, "a.xyz", number), energy, forces, no_stress))
    return frames


def test_a_potential_that_has_not_changed(tmp_path: Path) -> None:
    start, end = start_and_end(tmp_path, 0.0)
    made = starting.section(subject({"test": frames_of(start)}, end))
    assert made.missing is None
    errors, changes, pairs = tables(made)
    assert [str(cell) for cell in errors.rows[0][:2]] == ["test", "3"]
    assert max(float(row[2]) for row in changes.rows) < 1e-9
    assert set(kinds_of_marks(made)) <= {"good", "none"}
    assert len(pairs.rows) == 1


def test_changes_are_measured(tmp_path: Path) -> None:
    """On labels of the changed potential, the error is that of the start before and none after."""
    _, end = start_and_end(tmp_path, 0.05)
    made = starting.section(subject({"train": frames_of(end), "test": frames_of(end)}, end))
    errors, changes, _ = tables(made)
    for row in errors.rows:
        assert float(row[3]) > 1.0
        assert float(row[5]) < 1e-3
    assert min(float(row[2]) for row in changes.rows) > 0
    assert any("crystals of H, C, O" in cell or "crystals of C, H, O" in cell for cell in cells(made))


def test_only_potentials_that_started_from_another_have_the_section(tmp_path: Path) -> None:
    start, end = start_and_end(tmp_path, 0.0)
    entry = SECTIONS["starting"]
    assert entry.applies(subject({}, end))
    assert not entry.applies(subject({}, start))


@pytest.mark.parametrize(("content", "message"), [(None, "No such file"), (b"other", "has changed since the run")])
def test_a_start_that_is_gone(tmp_path: Path, content: bytes | None, message: str) -> None:
    _, end = start_and_end(tmp_path, 0.0)
    path = tmp_path / "start.potential"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    made = starting.section(replace(subject({}, end)))
    assert made.missing is not None
    assert message in made.missing
