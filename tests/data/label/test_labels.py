"""Labels: keys, units, signs and orders worked out by hand; weights and groups; what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.io import read, write

from potentials.config.data import DataConfig
from potentials.data.conversion.convert import convert
from potentials.data.findings import Findings
from potentials.data.label import LabeledFrame, label_frames
from potentials.data.read import Frame, read_frames
from potentials.errors import DataError

# CODATA 2014, as in ASE; written out so that the conversion is not tested against itself.
HARTREE, BOHR, KCAL_PER_MOL, KJ_PER_MOL = 27.211386024, 0.529177210671, 0.0433641042, 0.0103642688
GPA = 1.0 / 160.2176621


def frame(atoms: Atoms, index: int = 0, **results: Any) -> Frame:
    atoms.calc = SinglePointCalculator(atoms)
    atoms.calc.results.update(results)
    return Frame(atoms, "a.xyz", index)


def water(index: int = 0, **results: Any) -> Frame:
    return frame(molecule("H2O"), index, **{"energy": -1.0, "forces": np.ones((3, 3)), **results})


def copper(index: int = 0, **info: Any) -> Frame:
    """A cubic cell of 8 A^3 with one atom, labels in `info`."""
    result = frame(Atoms("Cu", cell=[2.0, 2.0, 2.0], pbc=True), index, energy=-1.0, forces=np.zeros((1, 3)))
    result.atoms.info.update(info)
    return result


def label(frames: list[Frame] | Frame, findings: Findings | None = None, required: bool = True, **data: Any):
    config = DataConfig.model_validate({"train": "a.xyz", **data})
    frames = frames if isinstance(frames, list) else [frames]
    return label_frames(frames, config, required=required, findings=findings)


def only(*args: Any, **kwargs: Any) -> LabeledFrame:
    (labeled,) = label(*args, **kwargs)
    return labeled


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("eV", 1.0), ("meV", 0.001), ("Ha", HARTREE), ("Ry", HARTREE / 2),
        ("kcal/mol", KCAL_PER_MOL), ("kJ/mol", KJ_PER_MOL),
    ],
)  # fmt: skip
def test_energy_units(unit: str, factor: float) -> None:
    labeled = only(water(energy=-2.0), energy={"key": "energy", "unit": unit})
    assert labeled.energy == pytest.approx(-2.0 * factor, rel=1e-7)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("eV/A", 1.0), ("meV/A", 0.001), ("eV/Bohr", 1 / BOHR), ("Ha/Bohr", HARTREE / BOHR), ("Ha/A", HARTREE),
        ("Ry/Bohr", HARTREE / 2 / BOHR), ("kcal/mol/A", KCAL_PER_MOL), ("kcal/mol/Bohr", KCAL_PER_MOL / BOHR),
        ("kJ/mol/A", KJ_PER_MOL), ("kJ/mol/nm", KJ_PER_MOL / 10),
    ],
)  # fmt: skip
def test_forces_units(unit: str, factor: float) -> None:
    forces = np.arange(9.0).reshape(3, 3)
    labeled = only(water(forces=forces), forces={"key": "forces", "unit": unit})
    np.testing.assert_allclose(labeled.forces, factor * forces, rtol=1e-7)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("eV/A^3", 1.0), ("GPa", GPA), ("MPa", GPA / 1000), ("kbar", GPA / 10), ("bar", GPA / 10000),
        ("Ha/Bohr^3", HARTREE / BOHR**3),
    ],
)  # fmt: skip
def test_stress_units(unit: str, factor: float) -> None:
    labeled = only(copper(s=np.diag([1.0, 2.0, 3.0])), stress={"key": "s", "unit": unit})
    np.testing.assert_allclose(labeled.stress, factor * np.diag([1.0, 2.0, 3.0]), rtol=1e-7)


MATRIX = np.array([[1.0, 6.0, 5.0], [6.0, 2.0, 4.0], [5.0, 4.0, 3.0]])


@pytest.mark.parametrize(
    ("value", "order"),
    [
        (MATRIX, None),
        (MATRIX.tolist(), None),
        (MATRIX.ravel(), None),
        ([1, 2, 3, 4, 5, 6], "xx yy zz yz xz xy"),
        ([1, 2, 3, 6, 4, 5], "xx yy zz xy yz xz"),
        ([1, 2, 3, 6, 5, 4], "xx yy zz xy xz yz"),
    ],
)
@pytest.mark.parametrize(("sign", "factor"), [("tension-positive", 1.0), ("compression-positive", -1.0)])
def test_shapes_orders_and_signs(value: Any, order: str | None, sign: str, factor: float) -> None:
    declared = {"sign": sign, **({"order": order} if order else {})}
    stress = only(copper(s=value), stress={"key": "s", **declared}).stress
    np.testing.assert_allclose(stress, factor * MATRIX, rtol=1e-12)
    # The cell is 8 A^3, so a virial of the same numbers is a stress of an eighth.
    virial = only(copper(w=value), virial={"key": "w", **declared}).stress
    np.testing.assert_allclose(virial, factor * MATRIX / 8, rtol=1e-12)


def test_a_raw_vasp_six_vector() -> None:
    """kbar, compression positive, xx yy zz xy yz xz, as VASP prints it: 1602.1766 kbar are 1 eV/A^3."""
    six = np.array([-10.0, 20.0, 30.0, 40.0, 50.0, 60.0])
    labeled = only(
        copper(virial_stress=six),
        stress={
            "key": "virial_stress", "unit": "kbar", "sign": "compression-positive", "order": "xx yy zz xy yz xz",
        },
    )  # fmt: skip
    expected = np.array([[10.0, -40.0, -60.0], [-40.0, -20.0, -50.0], [-60.0, -50.0, -30.0]]) / 1602.176621
    np.testing.assert_allclose(labeled.stress, expected, rtol=1e-7)


def test_virial_unit_and_length_unit() -> None:
    """In atomic units: a virial of 1 Ha in a cell of 8 Bohr^3."""
    labeled = only(
        copper(w=np.eye(3)),
        virial={"key": "w", "unit": "Ha", "sign": "compression-positive"},
        length_unit="Bohr",
    )
    np.testing.assert_allclose(labeled.stress, -np.eye(3) * HARTREE / (8 * BOHR**3), rtol=1e-7)


def test_length_unit_converts_positions_and_cell() -> None:
    atoms = Atoms("H2", [[0, 0, 0], [0, 0, 1.4]], cell=[10.0, 10.0, 10.0], pbc=True)
    labeled = only(frame(atoms, energy=-1.0), forces=None, length_unit="Bohr")
    np.testing.assert_allclose(labeled.frame.atoms.positions[1, 2], 1.4 * BOHR, rtol=1e-8)
    np.testing.assert_allclose(labeled.frame.atoms.cell.array, 10.0 * BOHR * np.eye(3), rtol=1e-8)
    assert atoms.positions[1, 2] == 1.4  # the atoms that were read stay as they are


def test_stress_of_ase_files_is_the_stress_of_the_calculator(tmp_path: Any) -> None:
    """Six numbers that ASE's reader made of nine are in ASE's order, whatever is declared for six."""
    atoms = bulk("Cu", cubic=True)
    atoms.set_cell(atoms.cell.array + np.array([[0.1, 0.2, 0.05], [0, -0.1, 0.15], [0, 0, 0.02]]), scale_atoms=True)
    atoms.calc = EMT()
    expected = atoms.get_stress(voigt=False)
    atoms.get_forces()
    for name in ("a.xyz", "a.traj", "a.db"):
        write(tmp_path / name, atoms)
        for order in ("xx yy zz yz xz xy", "xx yy zz xy yz xz")[: 2 if name == "a.xyz" else 1]:
            read_back = Frame(read(tmp_path / name), name, 0)
            labeled = only(read_back, stress={"key": "stress", "order": order})
            np.testing.assert_allclose(labeled.stress, expected, atol=1e-7)
    # The same numbers times the volume, under the name GAP and MACE use, with their sign.
    atoms.info["virial"] = -atoms.get_volume() * expected
    write(tmp_path / "v.xyz", atoms)
    labeled = only(Frame(read(tmp_path / "v.xyz"), "v.xyz", 0), virial={"sign": "compression-positive"})
    np.testing.assert_allclose(labeled.stress, expected, atol=1e-7)


@pytest.mark.parametrize("name", ["v.traj", "v.db", "v.json", "v.h5", "v.aselmdb"])
def test_declarations_hold_for_the_results_in_files_that_keep_them_as_written(name: str, tmp_path: Any) -> None:
    """VASP's raw numbers (kbar, compression positive, its order) as results of a calculator."""
    atoms = bulk("Cu", cubic=True)
    stress = np.array([[0.01, 0.04, 0.05], [0.04, -0.02, 0.06], [0.05, 0.06, 0.03]])
    xx, yy, zz, xy, yz, xz = (stress[i, j] for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (0, 2)))
    raw = -np.array([xx, yy, zz, xy, yz, xz]) * 1602.1766208
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=np.zeros((4, 3)), stress=raw)
    if name.endswith((".h5", ".aselmdb")):
        write(tmp_path / "source.traj", atoms)
        convert([str(tmp_path / "source.traj")], tmp_path / name)
    else:
        write(tmp_path / name, atoms)
    findings = Findings()
    declared = {"unit": "kbar", "sign": "compression-positive", "order": "xx yy zz xy yz xz"}
    labeled = only(read_frames(str(tmp_path / name)), findings, stress=declared)
    np.testing.assert_allclose(labeled.stress, stress, rtol=1e-6)
    (warning,) = findings.warnings
    assert name in warning
    assert 'are calculator results, which ASE writes as "xx yy zz yz xz xy"' in warning


def test_an_asymmetric_stress_is_symmetrised_with_a_warning() -> None:
    findings = Findings()
    labeled = only(copper(s=[[1, 2, 0], [0, 1, 0], [0, 0, 1]]), findings, stress="s")
    np.testing.assert_allclose(labeled.stress, [[1, 1, 0], [1, 1, 0], [0, 0, 1]])
    assert "not a symmetric matrix" in findings.warnings[0]


def test_keys_are_found_in_info_arrays_and_database_rows(tmp_path: Any) -> None:
    atoms = molecule("H2O")
    atoms.info["REF_energy"] = -3.0
    atoms.new_array("REF_forces", 2 * np.ones((3, 3)))
    labeled = only(Frame(atoms, "a.xyz", 0), energy="REF_energy", forces="REF_forces")
    assert labeled.energy == -3.0
    np.testing.assert_array_equal(labeled.forces, 2 * np.ones((3, 3)))


def test_keys_of_a_database_row(tmp_path: Any) -> None:
    with connect(tmp_path / "a.db") as database:
        for dft in (-4.0, -5.0, -6.0):
            database.write(molecule("H2O"), dft=dft, data={"f": np.full((3, 3), dft)})
    labeled = label(read_frames(f"{tmp_path}/a.db@1:"), energy="dft", forces="f")
    assert [one.energy for one in labeled] == [-5.0, -6.0]
    np.testing.assert_array_equal(labeled[1].forces, np.full((3, 3), -6.0))


def test_free_energy_is_not_taken_for_the_energy() -> None:
    without = water(free_energy=-1.5)
    del without.atoms.calc.results["energy"]
    with pytest.raises(DataError, match=r'no frame of a\.xyz has "energy"; did you mean "free_energy"'):
        label(without)
    assert only(without, energy="free_energy").energy == -1.5
    assert only(water(free_energy=-1.5)).energy == -1.0


def test_a_key_that_no_frame_has_lists_those_there_are() -> None:
    frames = [water(dipole=np.zeros(3)), water(1)]
    frames[1].atoms.info["dft_energy"] = -2.0
    frames[1].atoms.new_array("charges", np.zeros(3))
    with pytest.raises(DataError) as error:
        label(frames, energy="DFT_energy")
    text = str(error.value)
    assert text.startswith('data.energy: no frame of a.xyz has "DFT_energy"; did you mean "dft_energy"?')
    assert "calculator results: dipole, energy, forces; info: dft_energy; arrays: charges" in text
    assert "set data.energy to null" in text


def test_frames_that_lack_a_label_get_nan_and_are_counted() -> None:
    frames = [water(0), water(1), water(2)]
    del frames[1].atoms.calc.results["forces"]
    del frames[2].atoms.calc.results["energy"]
    findings = Findings()
    labeled = label(frames, findings)
    assert [np.isnan(one.energy) for one in labeled] == [False, False, True]
    assert [bool(np.isnan(one.forces).all()) for one in labeled] == [False, True, False]
    assert [np.isnan(one.stress).all() for one in labeled] == [True] * 3
    assert [one.has_label for one in labeled] == [True] * 3
    assert findings.notes == [
        "no energy in 1 of 3 frames: 1 frame (a.xyz: 2)",
        "no forces in 1 of 3 frames: 1 frame (a.xyz: 1)",
    ]


def test_labels_that_are_not_configured_have_the_shape_of_those_that_are() -> None:
    without = only(water(), energy=None, forces=None)
    assert np.isnan(without.energy)
    for values, shape in ((without.forces, (3, 3)), (without.stress, (3, 3))):
        assert values.shape == shape
        assert np.isnan(values).all()


def test_labels_are_required_unless_it_is_said_otherwise() -> None:
    config = DataConfig.model_validate({"train": "a.xyz", "energy": {"key": "REF"}})
    with pytest.raises(DataError, match="REF"):
        label_frames([water()], config)


def test_what_is_not_required_may_be_missing_everywhere() -> None:
    bare = Frame(molecule("H2O"), "a.xyz", 0)
    labeled = only(bare, required=False, stress="stress")
    assert not labeled.has_label


def test_labels_set_to_null_are_not_read() -> None:
    labeled = only(water(), forces=None)
    assert labeled.energy == -1.0
    assert np.isnan(labeled.forces).all()


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ({"forces": np.ones((3, 2))}, r"a\.xyz, frame 0: the forces \"forces\" is not usable: expected shape \(3, 3\)"),
        ({"forces": np.ones((4, 3))}, r"got \(4, 3\)"),
        ({"forces": np.ones(9)}, r"got \(9,\)"),
        ({"forces": "none"}, r"a\.xyz, frame 0: the forces .* not usable: could not convert string to float"),
        ({"energy": "high"}, r"a\.xyz, frame 0: the energy .* not usable: could not convert string to float"),
        ({"energy": np.zeros(2)}, r"a\.xyz, frame 0: the energy .* expected one number, got shape \(2,\)"),
    ],
)
def test_wrong_shapes_and_types(results: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        label(water(**results))


def test_wrong_shape_of_the_stress() -> None:
    with pytest.raises(DataError, match=r"a\.xyz, frame 3: the stress \"s\" .* expected 3x3, 9 or 6 numbers, got .*5"):
        label(copper(3, s=np.ones(5)), stress="s")


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
@pytest.mark.parametrize("name", ["energy", "forces", "stress"])
def test_infinite_labels_name_the_frames(bad: float, name: str) -> None:
    frames = [copper(index, s=np.eye(3)) for index in range(4)]
    for number in (1, 3):
        if name == "energy":
            frames[number].atoms.calc.results["energy"] = bad
        elif name == "forces":
            frames[number].atoms.calc.results["forces"] = np.array([[np.nan, bad, 0.0]])
        else:
            frames[number].atoms.info["s"] = np.diag([bad, 1.0, 1.0])
    with pytest.raises(DataError, match=rf"the {name} .* is infinite in 2 frames \(a\.xyz: 1, 3\)"):
        label(frames, stress="s")


def test_nan_in_a_file_is_a_label_that_is_not_known() -> None:
    """Whole labels count as missing, components as components; what is known beside them is kept."""
    frames = [copper(index, s=np.eye(3)) for index in range(4)]
    frames[0].atoms.calc.results["energy"] = np.nan
    frames[1].atoms.calc.results["forces"] = np.full((1, 3), np.nan)
    frames[2].atoms.calc.results["forces"] = np.array([[1.0, np.nan, 2.0]])
    frames[2].atoms.info["s"] = np.array([1.0, 2.0, 3.0, np.nan, 5.0, 6.0])
    frames[3].atoms.info["s"] = np.full(6, np.nan)
    findings = Findings()
    labeled = label(frames, findings, stress="s")
    assert [np.isnan(one.energy) for one in labeled] == [True, False, False, False]
    np.testing.assert_array_equal(labeled[2].forces, [[1.0, np.nan, 2.0]])
    np.testing.assert_array_equal(labeled[2].stress, [[1, 6, 5], [6, 2, np.nan], [5, np.nan, 3]])
    excluded = "in 1 of 4 frames and excluded from the loss and the errors: 1 frame (a.xyz: 2)"
    assert findings.notes == [
        "no energy in 1 of 4 frames: 1 frame (a.xyz: 0)",
        "no forces in 1 of 4 frames: 1 frame (a.xyz: 1)",
        "no stress in 1 of 4 frames: 1 frame (a.xyz: 3)",
        f"1 component of the forces is NaN {excluded}",
        f"2 components of the stress are NaN {excluded}",
    ]
    assert findings.warnings == []


@pytest.mark.parametrize("value", [True, 1j])
def test_truth_values_and_complex_numbers_are_no_labels(value: Any) -> None:
    """`energy=T` of an extxyz file is read as true, which numpy takes for 1."""
    with pytest.raises(DataError, match=r'a\.xyz, frame 0: the energy "energy" is not usable: expected real numbers'):
        label(water(energy=value))


def test_absurd_labels_name_the_frames() -> None:
    frames = [copper(index) for index in range(3)]
    frames[1].atoms.calc.results["forces"] = np.array([[0.0, -1e100, 0.0]])
    with pytest.raises(DataError, match=r'the forces "forces" is larger than 1e\+15 in 1 frame \(a\.xyz: 1\)'):
        label(frames)


def test_stress_asked_of_molecules() -> None:
    with pytest.raises(
        DataError, match="none of the 2 frames is periodic in three directions; the stress of molecules"
    ):
        label([water(0), water(1)], stress="stress")
    with pytest.raises(DataError, match=r"remove data\.virial"):
        label([water(0), water(1)], virial={"sign": "tension-positive"})


def test_stress_of_molecules_among_crystals_is_ignored() -> None:
    crystal, drop = copper(0, s=np.eye(3)), water(1)
    drop.atoms.info["s"] = np.eye(3)
    findings = Findings()
    labeled = label([crystal, drop], findings, stress="s")
    np.testing.assert_array_equal(labeled[0].stress, np.eye(3))
    assert np.isnan(labeled[1].stress).all()
    assert "stress of 1 frame (a.xyz: 1) is ignored: not periodic in three directions" in findings.notes[0]


def test_a_periodic_frame_without_volume() -> None:
    flat = frame(Atoms("Cu", cell=[2.0, 2.0, 0.0], pbc=True), 5, energy=0.0, forces=np.zeros((1, 3)))
    with pytest.raises(DataError, match=r"a\.xyz, frame 5: .*set pbc to false"):
        label(flat)


def test_unit_declared_for_what_ase_has_converted() -> None:
    outcar = Frame(copper().atoms, "run1/OUTCAR", 0)
    findings = Findings()
    label(outcar, findings, energy={"unit": "Ha"})
    assert findings.warnings == [
        "when reading the program output, ASE already converted the energy of 1 frame (run1/OUTCAR: 0) to ASE's units. "
        "The declared unit is applied in addition and is probably wrong. Remove it from data.energy"
    ]
    findings = Findings()
    label([outcar], findings)
    label([copper()], findings, energy={"unit": "Ha"})  # an xyz file holds what was written into it
    assert findings.warnings == []


def test_groups_and_weights_multiply() -> None:
    frames = [water(0), water(1), water(2)]
    frames[0].atoms.info.update(config_type="bulk", w=2.0, we=3, wf="5", ws=7.0)
    frames[1].atoms.info.update(config_type=12)
    labeled = label(
        frames,
        weights={"key": "w", "energy_key": "we", "forces_key": "wf", "stress_key": "ws", "groups": {"bulk": 10.0}},
    )
    assert [one.group for one in labeled] == ["bulk", "12", "default"]
    first = labeled[0]
    assert (first.weight, first.energy_weight, first.forces_weight, first.stress_weight) == (2.0, 30.0, 50.0, 70.0)
    assert (labeled[1].weight, labeled[1].forces_weight, labeled[2].weight) == (1.0, 1.0, 1.0)


def test_weights_of_a_group_by_property() -> None:
    frames = [water(0), water(1)]
    frames[0].atoms.info["config_type"] = "bulk"
    found = label(frames, weights={"groups": {"bulk": {"energy": 4.0, "stress": 0}}})
    assert [(one.energy_weight, one.forces_weight, one.stress_weight) for one in found] == [(4, 1, 0), (1, 1, 1)]


def test_a_chosen_group_key_must_be_there() -> None:
    frames = [water(0), water(1)]
    frames[0].atoms.info["kind"] = "bulk"
    assert [one.group for one in label(frames, group_key="kind")] == ["bulk", "default"]
    with pytest.raises(DataError, match=r'data\.group_key: no frame of a\.xyz has "kinds"; did you mean "kind"'):
        label(frames, group_key="kinds")


@pytest.mark.parametrize(
    ("value", "message"), [(-1.0, "is -1.0"), (np.nan, "is nan"), ("big", "is not a number: 'big'")]
)
def test_bad_weights(value: Any, message: str) -> None:
    bad = water(4)
    bad.atoms.info["w"] = value
    with pytest.raises(DataError, match=rf'a\.xyz, frame 4: the weight "w" {message}'):
        label(bad, weights={"key": "w"})


def test_weight_key_that_no_frame_has() -> None:
    with pytest.raises(DataError, match=r'data\.weights\.energy_key: no frame of a\.xyz has "w"'):
        label(water(), weights={"energy_key": "w"})
