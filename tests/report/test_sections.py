"""Sections on data of every kind, and what they say of what the data lack."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from toy_family import toy_potential

from potentials.pages import Mark, Section, Table
from potentials.potential.model_file import save
from potentials.report.sections import errors, parity, provenance, worst
from potentials.report.sections.worst import around, worst_frames
from potentials.report.subject import Subject

DATA_SECTIONS = [parity.section, errors.section, worst.section]


@pytest.fixture
def subject_of(tmp_path: Path):
    def make(parts, elements=("Cu",), run=None, change=None):
        potential = toy_potential(list(elements)).eval().requires_grad_(False)
        if change is not None:
            change(potential)
        file = tmp_path / "model.potential"
        save(potential, file)
        return Subject(potential, file, parts, run, 20.0)

    return make


def text_of(section: Section) -> str:
    return section.html()


def marks(section: Section) -> list[Mark]:
    tables = [part for part in section.parts if isinstance(part, Table)]
    return [cell for table in tables for row in table.rows for cell in row if isinstance(cell, Mark)]


@pytest.mark.parametrize("section", DATA_SECTIONS)
def test_without_data(subject_of, section):
    assert "no data were given" in section(subject_of({})).missing.lower()


@pytest.mark.parametrize("section", DATA_SECTIONS)
def test_unknown_elements_alone(subject_of, make_frame, section):
    assert (
        "elements that the potential does not support (Au; supported: Cu)"
        in section(subject_of({"test": [make_frame("Au3")]})).missing
    )


@pytest.mark.parametrize(
    "labels",
    [
        {"forces": False},
        {"energy": False},
        {"stress": True, "pbc": True},
        {"stress": True, "pbc": True, "energy": False, "forces": False},
    ],
    ids=["energies", "forces", "all", "stresses"],
)
@pytest.mark.parametrize("count", [1, 12])
@pytest.mark.parametrize("formula", ["Cu", "Cu4"])
def test_with_labels_of_every_kind(subject_of, make_frame, labels, count, formula):
    parts = {
        "train": [make_frame(formula, seed, **labels) for seed in range(count)],
        "a <i> & c": [make_frame(formula, 50 + seed, group=f"<g{seed}>", **labels) for seed in range(count)],
    }
    subject = subject_of(parts)
    texts = [text_of(section(subject)) for section in DATA_SECTIONS]
    assert not any("<i>" in text or "<g1>" in text for text in texts)
    assert ("No frame of train, a &lt;i&gt; &amp; c is labeled with stress" in texts[0]) == ("stress" not in labels)
    assert ("No frame has forces" in texts[1]) == (labels.get("forces") is False)


def test_nothing_but_stresses_has_no_worst_frame(subject_of, make_frame):
    frames = [make_frame("Cu4", stress=True, pbc=True, energy=False, forces=False)]
    assert "No frame has forces or an energy" in worst.section(subject_of({"test": frames})).missing


def test_the_judgment_goes_by_the_spread_of_the_labels(subject_of, make_frame):
    frames = [make_frame("Cu4", seed) for seed in range(6)]
    exact = subject_of({"test": frames})
    predicted = exact.evaluated.splits[0].evaluation.parity
    for spread, kind in ((0.05, "good"), (0.2, "look"), (0.5, "bad")):
        noise = np.random.default_rng(1).normal(scale=spread, size=(24, 3)) * predicted.forces[1].std()
        labels = (predicted.forces[1] + noise).reshape(6, 4, 3)
        noisy = [
            frame.__class__(frame.frame, predicted.energy[1][k], labels[k], frame.stress)
            for k, frame in enumerate(frames)
        ]
        energy, forces = marks(parity.section(subject_of({"test": noisy})))
        assert (energy.kind, forces.kind) == ("good", kind), spread


def test_training_frames_are_not_judged(subject_of, make_frame):
    section = parity.section(subject_of({"train": [make_frame("Cu4", seed) for seed in range(4)]}))
    assert {mark.kind for mark in marks(section)} == {"none"}


def test_predictions_that_are_not_finite_are_bad(subject_of, make_frame):
    def spoil(potential):
        potential.scale.fill_(torch.inf)

    frames = [make_frame("Cu4", seed) for seed in range(4)]
    subject = subject_of({"test": frames}, change=spoil)
    assert {mark.text for mark in marks(parity.section(subject))} == {"no prediction is finite"}
    for section in DATA_SECTIONS:
        text_of(section(subject))


def test_the_worst_frames_are_ordered_by_force_error(subject_of, make_frame):
    frames = [make_frame("Cu4", seed) for seed in range(15)]
    frames.append(make_frame("Cu4", 40, forces=False))
    subject = subject_of({"train": frames[:5], "test": frames[5:]})
    found = worst_frames(subject.evaluated.splits)
    assert len(found) == 10
    every = []
    for part in subject.evaluated.splits:
        label, prediction = (values.reshape(-1, 4, 3) for values in part.evaluation.parity.forces)
        every += [value for value in np.sqrt(np.mean((label - prediction) ** 2, axis=(1, 2))) if not np.isnan(value)]
    assert [one.force_error for one in found] == pytest.approx(sorted(every, reverse=True)[:10])
    html = text_of(worst.section(subject))
    first = found[0].split.frames[found[0].place].frame
    assert f"{first.file}" in html
    assert f"frames.xyz, frame {first.index}" in html


def test_of_a_large_frame_the_atoms_around_the_worst_are_drawn(subject_of, make_frame, monkeypatch):
    monkeypatch.setattr(worst, "_MOST_ATOMS", 5)
    frame = make_frame("Cu20", pbc=True)
    html = text_of(worst.section(subject_of({"test": [frame]})))
    assert "Of 20 atoms, the 5 nearest to the one with the largest error are drawn" in html
    atoms = frame.frame.atoms
    expected = np.sort(np.argsort([atoms.get_distance(7, other, mic=True) for other in range(20)])[:5])
    assert np.array_equal(around(atoms, 7, 5), expected)


def test_provenance_tells_file_elements_and_versions(subject_of, make_frame):
    subject = subject_of({"test": [make_frame("Cu4")]}, elements=("Cu", "Au"))
    html = text_of(provenance.section(subject))
    for word in ("model.potential", "Cu, Au", "-1.000000", "sha256", "torch", "contains no resolved.yaml"):
        assert word in html


def test_the_commit_of_a_folder(tmp_path, repository):
    assert provenance.git_commit(tmp_path) is None
    if (repository / ".git").exists():
        assert len(provenance.git_commit(repository).partition(",")[0]) == 40
