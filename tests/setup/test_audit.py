"""The audit finds each planted fault in the frames where it was planted, and nothing where nothing is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from setup import planted
from setup.planted import Frames

import potentials.models  # noqa: F401  (enters the families)
from potentials.config import parse_config
from potentials.errors import DataError
from potentials.setup.audit.audit import Audit, audit, data_of_files, data_of_run, labels_of_files
from potentials.setup.audit.consistency import level_gap
from potentials.setup.audit.page import audit_page


def audited(folder: Path, frames: Frames, **others: Frames) -> Audit:
    file = planted.write(folder / "train.xyz", frames)
    parts = {name: planted.write(folder / f"{name}.xyz", of_split) for name, of_split in others.items()}
    return audit(data_of_files(file, parts, labels_of_files(file), 5.0))


def serious(found: Audit) -> dict[str, list[int]]:
    """Checks that complain, and which frames they name."""
    return {f.check: sorted(frame.index for frame in f.frames) for f in found.findings if f.severity != "note"}


@pytest.mark.slow
@pytest.mark.parametrize("clean", [planted.ethanol, planted.copper])
def test_nothing_is_said_of_clean_data(clean: Callable[[], Frames], tmp_path: Path) -> None:
    found = audited(tmp_path, clean())
    assert serious(found) == {}
    assert found.passed


@pytest.mark.slow
def test_energies_of_a_trajectory_follow_its_forces(tmp_path: Path) -> None:
    assert serious(audited(tmp_path, planted.trajectory())).keys() <= {"near-duplicates"}


KCAL = 23.0605
FAULTS: dict[str, tuple[Frames, str, list[int], str]] = {
    "outlier": (
        planted.change(planted.ethanol(), [17], planted.scaled("forces", 100)), "force-outlier", [17], "converge",
    ),
    "zeros": (planted.change(planted.ethanol(), [3, 4], planted.scaled("forces", 0)), "zero-forces", [3, 4], "remove"),
    "field": (planted.change(planted.ethanol(), [8], planted.pushed), "net-force", [8], "external field"),
    "twist": (planted.change(planted.ethanol(), [9, 11], planted.twisted), "net-torque", [9, 11], "orientation"),
    "kcal": (planted.all_scaled(planted.ethanol(), "forces", KCAL), "energy-force-ratio", [], "kcal/mol/A"),
    "sign": (planted.all_scaled(planted.ethanol(), "forces", -1), "energy-force-ratio", [], "wrong sign"),
    "per atom": (
        planted.change(planted.ethanol(), range(100), planted.scaled("energy", 1 / 9)),
        "energy-force-ratio", [], "per atom",
    ),
    "levels": (
        planted.change(planted.ethanol(), range(30, 50), planted.shifted_energy(0.3)),
        "mixed-levels", list(range(30, 50)), "functional",
    ),
    "one energy": (planted.change(planted.ethanol(), [60], planted.shifted_energy(0.5)), "energy-outlier", [60], ""),
    "jump": (planted.change(planted.trajectory(), [40], planted.shifted_energy(0.2)), "energy-jump", [39, 40, 41], ""),
    "contact": (planted.change(planted.ethanol(), [70], planted.squeezed), "close-atoms", [70], "length unit"),
    "copies": ([*planted.ethanol(), planted.turned(planted.ethanol()[5])], "duplicates", [103], "keep one"),
    "near copies": (
        [*planted.ethanol(), *(planted.turned(atoms, 0.002) for atoms in planted.ethanol()[5:20])],
        "near-duplicates", list(range(103, 118)), "block",
    ),
    "contradiction": (
        [*planted.ethanol(), planted.shifted_energy(1.0)(planted.turned(planted.ethanol()[5]))],
        "conflicting-duplicates", [5, 103], "remove the others",
    ),
    "no forces": (planted.change(planted.ethanol(), [1, 2], planted.without("forces")), "missing-labels", [1, 2], ""),
    "atoms of another level": (
        planted.change(planted.ethanol(), [100, 101, 102], planted.scaled("energy", 0.2)),
        "inconsistent-isolated-atoms", [100, 101, 102], "different levels",
    ),
    "stress of the wrong sign": (
        planted.all_scaled(planted.copper(), "stress", -1), "stress-unit", [], "compression-positive",
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str, tmp_path: Path) -> None:
    frames, check, where, said = FAULTS[fault]
    found = audited(tmp_path, frames)
    complaints = serious(found)
    assert complaints.get(check) == where
    (finding,) = [finding for finding in found.findings if finding.check == check]
    assert said in finding.remedy
    assert not found.passed
    if fault == "contradiction":
        complaints.pop("duplicates")  # which it is, too
    if fault == "per atom":
        complaints.pop("inconsistent-isolated-atoms")  # for those are not divided by nine
    if fault == "jump":
        complaints.pop("near-duplicates")  # of a crystal every 10 fs some are
    if fault in ("contradiction", "contact"):  # which moves an atom, and leaves the labels
        complaints.pop("energy-outlier", None)
        complaints.pop("net-torque", None)
    assert list(complaints) == [check]


@pytest.mark.slow
def test_the_declared_unit_that_a_ratio_suggests(tmp_path: Path) -> None:
    frames = planted.all_scaled(planted.ethanol(), "energy", 1 / 27.2114)
    (finding,) = [f for f in audited(tmp_path, frames).findings if f.check == "energy-force-ratio"]
    assert "energies in Ha with forces in eV/A" in finding.remedy


@pytest.mark.slow
def test_a_stress_that_nothing_declares(tmp_path: Path) -> None:
    """In kbar, compression positive, in VASP's order: what the audit says it looks like."""
    frames = []
    for atoms in planted.copper():
        made = planted.without("stress")(atoms)
        if atoms.pbc.all() and "stress" in atoms.calc.results:
            xx, yy, zz, yz, xz, xy = -1602.1766 * atoms.calc.results["stress"]
            made.info["virial_stress"] = np.array([xx, yy, zz, xy, yz, xz])
        frames.append(made)
    found = audited(tmp_path, frames)
    assert list(serious(found)) == ["undeclared-stress"]
    assert "unit: kbar, sign: compression-positive, order: xx yy zz xy yz xz" in found.findings[0].remedy


def test_energies_per_atom_of_crystals_of_several_sizes(tmp_path: Path) -> None:
    random = np.random.default_rng(0)

    def crystal(size: int, per_atom: bool) -> object:
        atoms = bulk("Cu", cubic=True) * (1, 1, size)
        atoms.rattle(0.05, rng=random)
        energy = -3.5 if per_atom else -3.5 * len(atoms)
        atoms.calc = SinglePointCalculator(atoms, energy=energy + 0.1 * random.normal())
        return atoms

    for per_atom in (True, False):
        found = audited(tmp_path, [crystal(size, per_atom) for size in (1, 2, 3, 4) * 3])
        assert ("energy-per-atom" in serious(found)) == per_atom


@pytest.mark.slow
def test_what_parts_share_and_lack(tmp_path: Path) -> None:
    frames = planted.ethanol()
    test = [*frames[75:100], planted.turned(frames[3])]
    test[0] = planted.labeled(test[0])
    test[0].symbols[0] = "N"
    found = audited(tmp_path, [*frames[:75], *frames[100:]], test=test)
    assert serious(found) == {"leak": [25], "unseen-element": [0], "unseen-composition": [0]}


@pytest.mark.slow
def test_a_trajectory_cut_apart(tmp_path: Path) -> None:
    """Every fourth step to test on; and, for comparison, the last quarter."""
    file = planted.write(tmp_path / "all.xyz", planted.trajectory())
    labels = labels_of_files(file)

    def cut(train: list[str], test: list[str]) -> Audit:
        return audit(data_of_files(train, {"test": test}, labels, 5.0))

    numbers = [f"{file}@{k}" for k in range(80)]
    apart = cut([n for k, n in enumerate(numbers) if k % 4], numbers[::4])
    assert "cut-trajectory" in serious(apart)
    blocks = cut([f"{file}@:60"], [f"{file}@60:"])
    assert "cut-trajectory" not in serious(blocks)


@pytest.mark.slow
def test_notes_on_cells_and_atoms(tmp_path: Path) -> None:
    found = audited(tmp_path, planted.copper()[:100])
    notes = {finding.check for finding in found.findings if finding.severity == "note"}
    assert "small-cell" in notes
    found = audited(tmp_path, planted.ethanol()[:50])
    (note,) = [finding for finding in found.findings if finding.check == "isolated-atoms"]
    assert "no isolated atom of C, H, O" in note.what
    assert "fixed ratio" in note.what


@pytest.mark.slow
def test_the_parts_of_a_run(tmp_path: Path) -> None:
    frames = planted.ethanol()
    file = planted.write(tmp_path / "all.xyz", [*frames[:60], planted.turned(frames[3]), *frames[100:]])
    config = parse_config(
        f"run: x\ndata: {{train: '{file}', validation: 20}}\nmodel: {{name: mace, cutoff: 4.0}}\n",
        str(tmp_path / "a.yaml"),
    )
    found = audit(data_of_run(config))
    assert set(found.facts) == {"training", "validation"}
    assert {"duplicates", "leak"} & set(serious(found))


@pytest.mark.slow
def test_the_page_shows_findings_and_pictures(tmp_path: Path) -> None:
    frames, *_ = FAULTS["outlier"]
    found = audited(tmp_path, frames)
    page = audit_page(found)
    assert "<h1>Audit: 1 error, 0 warnings" in page
    assert page.count('class="drawing"') == 3
    assert "force-outlier" in page
    assert page == audit_page(found)


def test_clouds_and_their_gap() -> None:
    random = np.random.default_rng(0)
    one = random.normal(scale=0.01, size=100)
    assert level_gap(one) is None
    assert level_gap(np.append(one, 1.0)) is None, "one frame is no level"
    gap = level_gap(np.concatenate([one, 0.2 + one[:10]]))
    assert gap is not None
    assert 0.03 < gap < 0.17


def test_energies_of_molecules_that_are_all_different(tmp_path: Path) -> None:
    """One frame of each composition: there is nothing to hold energies against, and nothing is said of them."""
    frames = []
    for number, atoms in enumerate(planted.ethanol()[:30]):
        made = atoms.copy()
        made.info["config_type"] = f"molecule-{number}"
        made.calc = SinglePointCalculator(made, **atoms.calc.results)
        frames.append(made)
    found = audited(tmp_path, [*frames, *planted.ethanol()[100:]])
    assert not [finding.check for finding in found.findings if finding.check.startswith("energy-")]


@pytest.mark.slow
def test_each_missing_label_is_told_and_absent_ones_are_not(tmp_path: Path) -> None:
    frames = planted.change(planted.ethanol(), [1], planted.without("forces"))
    frames = planted.change(frames, [2, 3], planted.without("energy"))
    found = audited(tmp_path, frames)
    assert [len(f.frames) for f in found.findings if f.check == "missing-labels"] == [2, 1]
    energies_only = [planted.without("forces")(atoms) for atoms in planted.ethanol()[:40]]
    found = audited(tmp_path, energies_only)
    assert "missing-labels" not in serious(found)
    assert "not-compared" in {finding.check for finding in found.findings}


@pytest.mark.slow
def test_isolated_atoms_in_boxes_and_parts_without_structures(tmp_path: Path) -> None:
    boxed = [planted.labeled(atoms) for atoms in planted.ethanol()[100:]]
    for atoms in boxed:
        atoms.info["config_type"] = "isolated_atom"
        atoms.cell, atoms.pbc = [20.0] * 3, True
    assert audited(tmp_path, [*planted.ethanol()[:40], *boxed]).passed
    with pytest.raises(DataError, match="the test files contain only isolated atoms"):
        audited(tmp_path, planted.ethanol()[:40], test=planted.ethanol()[100:])


@pytest.mark.slow
def test_isolated_atoms_that_contradict_each_other_are_a_finding(tmp_path: Path) -> None:
    other = planted.shifted_energy(1.0)(planted.ethanol()[100])
    found = audited(tmp_path, [*planted.ethanol(), other])
    assert "conflicting-isolated-atoms" in serious(found)


def test_far_fragments_are_not_the_same(tmp_path: Path) -> None:
    """Descriptors end at 5 A; two waters 7 and 9 A apart differ all the same."""
    frames = []
    for distance in (7.0, 9.0, 11.0):
        pair = molecule("H2O") + molecule("H2O")
        pair.positions[3:] += [0, 0, distance]
        pair.calc = SinglePointCalculator(pair, energy=-10.0 / distance, forces=np.zeros((6, 3)))
        frames.append(pair)
    checks = serious(audited(tmp_path, frames))
    assert not {"duplicates", "near-duplicates", "conflicting-duplicates"} & checks.keys()


def test_displacements_to_and_fro_contradict_nothing(tmp_path: Path) -> None:
    """Of a crystal whose symmetry makes both energies equal: no work is done, so none is missing."""
    frames = []
    for number in range(12):
        for sign in (1, -1):
            atoms = bulk("Cu", cubic=True) * (2, 2, 2)
            atoms.positions[number % 4, number % 3] += sign * 0.02
            atoms.calc = EMT()
            results = {"energy": atoms.get_potential_energy() + 1e-6 * number, "forces": atoms.get_forces()}
            atoms.calc = SinglePointCalculator(atoms, **results)
            frames.append(atoms)
    checks = serious(audited(tmp_path, frames))
    assert not [name for name in checks if name.startswith("energy-")]


def test_keys_that_no_survey_knows(tmp_path: Path) -> None:
    frames = []
    for atoms in planted.ethanol()[:30]:
        made = atoms.copy()
        made.info["U0"], made.arrays["grad"] = atoms.calc.results["energy"], atoms.calc.results["forces"]
        frames.append(made)
    file = planted.write(tmp_path / "odd.xyz", frames)
    labels = labels_of_files(file, "U0", "grad")
    assert audit(data_of_files(file, {}, labels, 5.0)).passed
    with pytest.raises(DataError, match="neither energies nor forces"):
        labels_of_files(file)
