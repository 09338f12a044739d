"""Errors of a potential on labeled frames against ASE's Morse potential and numpy."""

from __future__ import annotations

import csv

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from morse_family import REFERENCE_ENERGIES, morse_oracle, morse_potential

from potentials.data.findings import Findings
from potentials.errors import DataError, ModelFileError, UnknownElementError
from potentials.evaluation.evaluate import PARITY_COLUMNS, evaluate, label_config, read_labeled, write_parity


def structures() -> list[Atoms]:
    """Two rattled crystals of different size and a molecule."""
    frames = [bulk("Cu", cubic=True), bulk("Cu", cubic=True)[:3], Atoms("CuO", [[0, 0, 0], [0, 0.1, 2.4]])]
    for seed, atoms in enumerate(frames):
        atoms.positions += np.random.default_rng(seed).normal(scale=0.1, size=atoms.positions.shape)
    frames[0].info["config_type"] = frames[1].info["config_type"] = "crystal"
    frames[2].info["config_type"] = "molecule"
    return frames


def exact(atoms: Atoms) -> dict[str, np.ndarray]:
    copy = atoms.copy()
    copy.calc = morse_oracle()
    energy = copy.get_potential_energy() + sum(REFERENCE_ENERGIES[symbol] for symbol in atoms.symbols)
    results = {"energy": energy, "forces": copy.get_forces()}
    if atoms.pbc.all():
        results["stress"] = copy.get_stress(voigt=False)
    return results


@pytest.fixture
def shifted(tmp_path):
    """A file whose labels are the potential's own values plus known errors."""
    random = np.random.default_rng(7)
    frames, errors = structures(), []
    for atoms in frames:
        results = exact(atoms)
        error = {name: random.normal(scale=0.1, size=np.shape(value)) for name, value in results.items()}
        if "stress" in error:
            error["stress"] = 0.01 * (error["stress"] + error["stress"].T)
        labels = {name: results[name] - error[name] for name in results}
        if "stress" in labels:
            labels["stress"] = labels["stress"].ravel()[[0, 4, 8, 5, 2, 1]]
        atoms.calc = SinglePointCalculator(atoms, **labels)
        errors.append(error)
    file = tmp_path / "labeled.xyz"
    ase.io.write(file, frames)
    return str(file), frames, errors


def check(error, differences) -> None:
    flat = np.concatenate([np.ravel(difference) for difference in differences])
    assert error.count == len(flat)
    assert error.mae == pytest.approx(np.abs(flat).mean(), abs=2e-7)
    assert error.rmse == pytest.approx(np.sqrt((flat**2).mean()), abs=2e-7)


@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_errors_are_those_put_in(shifted, batch_size):
    file, frames, errors = shifted
    labeled = read_labeled(file, label_config({}, stress="stress"), ["stress"])
    evaluation = evaluate(morse_potential(), labeled, batch_size=batch_size, split="labeled")
    found = evaluation.errors
    assert (found.split, found.frames, found.atoms) == ("labeled", 3, 9)
    check(found.errors.energy, [error["energy"] for error in errors])
    check(found.errors.energy_per_atom, [e["energy"] / len(a) for e, a in zip(errors, frames, strict=True)])
    check(found.errors.forces, [error["forces"] for error in errors])
    check(found.errors.stress, [error["stress"] for error in errors[:2]])
    assert list(found.elements) == ["O", "Cu"]
    check(found.elements["O"], [errors[2]["forces"][1]])
    check(found.elements["Cu"], [errors[0]["forces"], errors[1]["forces"], errors[2]["forces"][0]])
    assert list(found.groups) == ["crystal", "molecule"]
    check(found.groups["molecule"].forces, [errors[2]["forces"]])
    check(found.groups["crystal"].stress, [error["stress"] for error in errors[:2]])
    assert found.groups["molecule"].stress is None


def test_parity_file_holds_labels_and_predictions(shifted, tmp_path):
    file, frames, errors = shifted
    labeled = read_labeled(file, label_config({}, stress="stress"), [])
    evaluation = evaluate(morse_potential(), labeled)
    write_parity(tmp_path / "parity.csv", [(evaluation, labeled)])
    with (tmp_path / "parity.csv").open(newline="") as opened:
        reader = csv.DictReader(opened)
        assert tuple(reader.fieldnames) == PARITY_COLUMNS
        rows = list(reader)
    assert len(rows) == 3 + 3 * 9 + 6 * 2
    for row in rows:
        frame = int(row["frame"])
        difference = float(row["prediction"]) - float(row["label"])
        error = errors[frame][row["property"]]
        if row["property"] == "forces":
            atom = int(row["atom"])
            assert row["element"] == frames[frame].symbols[atom]
            error = error[atom, "xyz".index(row["component"])]
        elif row["property"] == "stress":
            error = error["xyz".index(row["component"][0]), "xyz".index(row["component"][1])]
        assert difference == pytest.approx(error, abs=3e-7)


def test_without_forces_and_stress_only_energies_are_measured(tmp_path):
    atoms = structures()[0]
    atoms.info["my_energy"] = exact(atoms)["energy"] / 27.211386024367243
    ase.io.write(tmp_path / "energies.xyz", atoms)
    config = label_config({}, energy="my_energy", energy_unit="Ha")
    found = evaluate(morse_potential(), read_labeled(str(tmp_path / "energies.xyz"), config, ["energy"])).errors
    assert found.errors.energy.mae < 1e-6
    assert found.errors.forces is None
    assert found.errors.stress is None


def test_isolated_atoms_are_left_out_unless_they_are_all_there_is(shifted, tmp_path):
    _, frames, _ = shifted
    atom = Atoms("Cu")
    atom.calc = SinglePointCalculator(atom, energy=-3.0, forces=np.zeros((1, 3)))
    atom.info["config_type"] = "IsolatedAtom"
    ase.io.write(tmp_path / "with_atom.xyz", [*frames, atom])
    ase.io.write(tmp_path / "atom.xyz", [atom])
    findings = Findings()
    config = label_config({})
    assert len(read_labeled(str(tmp_path / "with_atom.xyz"), config, [], findings)) == 3
    assert any("isolated atoms" in note for note in findings.notes)
    assert len(read_labeled(str(tmp_path / "atom.xyz"), config, [])) == 1


STORED = {
    "config": {
        "data": {
            "train": "a.xyz",
            "energy": {"key": "E", "unit": "Ha"},
            "forces": {"key": "F", "unit": "Ha/Bohr"},
            "virial": {"key": "V", "unit": "eV", "sign": "compression-positive", "order": "xx yy zz yz xz xy"},
            "length_unit": "Bohr",
        }
    }
}


def test_labels_are_those_of_the_training_unless_changed():
    config = label_config(STORED)
    assert (config.energy.key, config.energy.unit, config.forces.unit) == ("E", "Ha", "Ha/Bohr")
    assert (config.virial.key, config.length_unit) == ("V", "Bohr")
    changed = label_config(STORED, energy="other", forces_unit="eV/A", stress="S", group_key="kind")
    assert (changed.energy.key, changed.energy.unit) == ("other", "Ha")
    assert (changed.forces.key, changed.forces.unit) == ("F", "eV/A")
    assert changed.virial is None
    assert (changed.stress.key, changed.group_key) == ("S", "kind")


def test_errors_say_what_is_wrong(shifted):
    file, _, _ = shifted
    with pytest.raises(DataError, match=r"energy\.unit"):
        label_config({}, energy_unit="furlong")
    with pytest.raises(ModelFileError, match="label configuration"):
        label_config({"config": {"data": {"energy": 5}}})
    with pytest.raises(DataError, match="nonsense"):
        read_labeled(file, label_config({}, energy="nonsense"), ["energy"])
    with pytest.raises(DataError, match="none of the 3 frames has an energy"):
        evaluate(morse_potential(), read_labeled(file, label_config({}, energy="x", forces="y"), []))
    gold = bulk("Au")
    gold.calc = SinglePointCalculator(gold, energy=1.0)
    ase.io.write(file, gold)
    with pytest.raises(UnknownElementError, match="the model supports O, Cu"):
        evaluate(morse_potential(), read_labeled(file, label_config({}), []))
