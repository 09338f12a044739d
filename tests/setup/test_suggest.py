import ase.io
import numpy as np
import pytest
import yaml
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator

import potentials.models  # noqa: F401  (enters the families)
from potentials.config import parse_config
from potentials.config.dumping import dump_config
from potentials.setup.suggest import suggest

ROTATE = np.random.default_rng(0)


def _write(tmp_path, number=40, forces=1.0, stress=None, info=None, structure=None, arrays=None):
    frames = []
    for _ in range(number):
        atoms = (structure or molecule("CH3CH2OH")).copy()
        atoms.rattle(0.05, rng=ROTATE)
        labels = {"energy": -10.0}
        if forces is not None:
            labels["forces"] = ROTATE.normal(scale=forces, size=(len(atoms), 3))
        if stress is not None:
            labels["stress"] = np.full(6, stress)
        atoms.calc = SinglePointCalculator(atoms, **labels)
        atoms.info.update(info or {})
        frames.append(atoms)
    file = tmp_path / "some frames.xyz"
    ase.io.write(file, frames)
    return str(file)


def _config(tmp_path, **kwargs):
    return parse_config(suggest([_write(tmp_path, **kwargs)], "mace").text)


def test_file_names_that_yaml_must_quote(tmp_path):
    file = _write(tmp_path)
    odd = tmp_path / "a: [b] #c.xyz"
    ase.io.write(odd, ase.io.read(file, ":"), format="extxyz")
    config = parse_config(suggest([file, str(tmp_path / "*c.xyz")], "mace").text)
    assert config.data.train == [file, str(tmp_path / "*c.xyz")]


def test_few_molecules(tmp_path):
    config = _config(tmp_path)
    assert config.data.test is None
    assert config.data.stress is None
    assert config.data.batch_size == 2
    assert config.model.channels == 32
    # 18 steps an epoch; about 20 000 in all.
    assert config.train.max_epochs == 1000


def test_frames_of_different_sizes_get_a_budget_of_atoms(tmp_path):
    small, large = _write(tmp_path), tmp_path / "large.xyz"
    ase.io.write(large, [atoms + atoms + atoms for atoms in ase.io.read(small, ":4")])
    config = parse_config(suggest([small, str(large)], "mace").text)
    assert config.data.batch_size is None
    # Two mean frames of 11 atoms would be 22, but there must be room for 27.
    assert config.data.max_atoms_per_batch == 27
    assert config.train.max_epochs == 1000
    assert parse_config(suggest([small], "mace").text).data.max_atoms_per_batch is None


def test_energies_alone(tmp_path):
    suggestion = suggest([_write(tmp_path, forces=None)], "mace")
    config = parse_config(suggestion.text)
    assert config.data.forces is None
    assert config.loss.forces.weight == 0
    assert any("no forces" in warning for warning in suggestion.warnings)


@pytest.mark.parametrize(("rms", "unit"), [(40.0, "kcal/mol/A"), (0.02, "Ha/Bohr"), (1.0, None)])
def test_forces_of_an_unlikely_size(tmp_path, rms, unit):
    warnings = " ".join(suggest([_write(tmp_path, forces=rms)], "mace").warnings)
    assert ("RMS force" in warnings) == (unit is not None)
    assert unit is None or unit in warnings


def test_ase_stress_of_crystals_is_taken_and_weighed(tmp_path):
    config = _config(tmp_path, structure=bulk("Si", cubic=True), forces=1.0, stress=0.01)
    assert config.data.stress is not None
    assert (config.data.stress.key, config.data.stress.unit) == ("stress", "eV/A^3")
    # A tenth of the weight of the same relative error in the forces: 0.1 * 100 * (1 / 0.01)^2, to one digit.
    assert config.loss.stress.weight == pytest.approx(1e5, rel=0.15)


def test_a_stress_too_large_for_its_unit_is_not_taken(tmp_path):
    suggestion = suggest([_write(tmp_path, structure=bulk("Si", cubic=True), stress=5.0)], "mace")
    assert parse_config(suggestion.text).data.stress is None
    assert "too large for eV/A^3" in suggestion.text
    assert any("must be declared" in warning for warning in suggestion.warnings)


def test_a_stress_of_molecules_is_not_taken(tmp_path):
    assert _config(tmp_path, stress=0.01).data.stress is None


def test_a_virial_is_shown_but_not_taken(tmp_path):
    file = _write(tmp_path, structure=bulk("Si", cubic=True), info={"virial": np.eye(3)})
    suggestion = suggest([file], "mace")
    assert parse_config(suggestion.text).data.virial is None
    assert "  # virial:\n  #   key: virial\n  #   unit: FILL-IN" in suggestion.text


def test_what_must_be_declared_is_an_error_when_it_is_not(tmp_path):
    file = _write(tmp_path, structure=bulk("Si", cubic=True), info={"virial": np.eye(3)})
    text = suggest([file], "mace").text
    uncommented = text.replace("  # virial:", "  virial:").replace("  #   ", "    ")
    with pytest.raises(Exception, match="FILL-IN"):
        parse_config(uncommented)
    declared = uncommented.replace("unit: FILL-IN", "unit: eV").replace("sign: FILL-IN", "sign: tension-positive")
    config = parse_config(declared.replace("order: FILL-IN", "order: xx yy zz yz xz xy"))
    assert config.data.virial is not None


def test_one_composition_leaves_reference_energies_open(tmp_path):
    suggestion = suggest([_write(tmp_path)], "mace")
    assert any("do not determine the reference energies" in warning for warning in suggestion.warnings)


@pytest.mark.parametrize(("name", "run"), [("train.xyz", "salt-water-train"), ("my frames.xyz", "my-frames")])
def test_run_is_called_after_the_file(tmp_path, name, run):
    folder = tmp_path / "salt water"
    folder.mkdir()
    file = folder / name
    ase.io.write(file, ase.io.read(_write(tmp_path), ":"))
    assert parse_config(suggest([str(file)], "mace").text).run == run


def test_every_setting_of_the_text_is_the_one_that_is_read(tmp_path):
    text = suggest([_write(tmp_path, number=120)], "nequip").text
    config = parse_config(text)
    assert config.data.validation == config.data.test == 0.1
    assert config.model.name == "nequip"
    assert all(len(line) <= 120 for line in text.splitlines())


@pytest.mark.parametrize("name", ["no", "Y", "on", "1e5", "123", "null", "true", "0x1F", "plain"])
def test_run_names_are_text_to_every_yaml_program(name, tmp_path):
    """YAML 1.1, which most programs read, takes `no` and `Y` for booleans; 1.2, which we read, `1e5` for a number."""
    file = tmp_path / f"{name}.xyz"
    ase.io.write(file, ase.io.read(_write(tmp_path), ":"), format="extxyz")
    text = suggest([str(file)], "mace").text
    assert parse_config(text).run == name
    assert yaml.safe_load(text)["run"] == name


def test_groups_and_elements_that_look_like_booleans(tmp_path):
    structure = bulk("Y", "fcc", a=5.0, cubic=True)
    structure.symbols[0] = "No"
    config = _config(tmp_path, structure=structure, info={"no": "yes", "config_type": "no"})
    elements = config.model_copy(update={"model": config.model.model_copy(update={"elements": ["Y", "No"]})})
    energies = {"Y": -1.0, "No": -2.0}
    given = elements.model_copy(update={"data": config.data.model_copy(update={"reference_energies": energies})})
    read = parse_config(dump_config(given))
    assert read.model.elements == ["Y", "No"]
    assert read.data.reference_energies == energies
    assert yaml.safe_load(dump_config(given))["data"]["reference_energies"] == energies


def test_zbl_where_atoms_never_collide(tmp_path):
    """The shortest distances of rattled ethanol are bonds; a frame with all pairs in contact needs no repulsion."""
    config = _config(tmp_path)
    assert config.model.zbl is not None
    text = suggest([_write(tmp_path, structure=molecule("H2"))], "schnet").text
    assert "zbl: true" in text
    assert "H-H are never closer than 0.7 times the sum of their covalent radii" in text
    close = molecule("H2")
    close.positions[:] = [[0, 0, 0], [0, 0, 0.3]]
    assert "zbl:" not in suggest([_write(tmp_path, structure=close)], "schnet").text
