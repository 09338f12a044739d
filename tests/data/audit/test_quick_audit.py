"""What is looked for before a training."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ase.build import molecule

from potentials.data.audit import quick
from potentials.data.audit.quick import brief_audit
from potentials.data.findings import Findings
from potentials.data.label import LabeledFrame

Labeled = Callable[..., LabeledFrame]


def waters(labeled: Labeled, count: int, file: str = "t.xyz") -> list[LabeledFrame]:
    frames = [labeled(molecule("H2O"), number, file) for number in range(count)]
    for number, frame in enumerate(frames):
        frame.frame.atoms.rattle(0.05, seed=number)
    return frames


@pytest.mark.parametrize("most", [100_000, 30])
def test_leaks_whether_all_is_looked_at_or_not(most: int, labeled: Labeled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick, "_MOST_ATOMS", most)
    train = waters(labeled, 20)
    validation = [labeled(train[19].frame.atoms.copy(), 5, "v.xyz"), *waters(labeled, 25, "v.xyz")[20:]]
    findings = Findings()
    brief_audit({"training": train, "validation": validation[1:]}, findings)
    assert findings.warnings == []
    brief_audit({"training": train, "validation": validation}, findings)
    (warning,) = findings.warnings
    assert warning.startswith("validation frames that are also training frames: 1 of 6 (1 identical")
    assert "in 1 frame (v.xyz: 5)" in warning
    said = [note for note in findings.notes if "only 10 of 20 training frames were checked for data errors" in note]
    assert len(said) == (2 if most == 30 else 0)


def test_repetitions(labeled: Labeled) -> None:
    train = waters(labeled, 20)
    train.append(labeled(train[3].frame.atoms.copy(), 20))
    findings = Findings()
    brief_audit({"training": train}, findings)
    assert "training: duplicates of other frames" in findings.warnings[0]
