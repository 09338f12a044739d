"""The shipped data sets: what they hold, and their labels against the programs that define them."""

from __future__ import annotations

import gzip
import importlib.util
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from ase.geometry import get_distances
from ase.neighborlist import neighbor_list

from potentials.data.builtin import BUILTIN_NAMES, builtin_card, builtin_path
from potentials.errors import DataError

SCRIPT = Path(__file__).parents[2] / "scripts" / "make_builtin_data.py"

CLASSES = {
    "ethanol": {"isolated_atom": 3, "300K": 500, "500K": 500},
    "ethanol-distorted": {
        "forces_10": 240,
        "forces_100": 118,
        "forces_1000": 87,
        "forces_10000": 54,
        "forces_100000": 13,
    },
    "copper": {"isolated_atom": 1, "bulk": 63, "strained": 80, "vacancy": 50, "surface": 75, "liquid": 75},
}


@pytest.fixture(scope="module")
def data_sets() -> dict[str, list[Atoms]]:
    return {name: ase.io.read(builtin_path(name), ":") for name in BUILTIN_NAMES}


def members(frames: list[Atoms], config_type: str) -> list[Atoms]:
    return [frame for frame in frames if frame.info["config_type"] == config_type]


def unlabeled(frame: Atoms) -> Atoms:
    return Atoms(frame.symbols, positions=frame.positions, cell=frame.cell, pbc=frame.pbc)


@pytest.mark.parametrize("name", BUILTIN_NAMES)
def test_file_is_at_most_one_megabyte(name: str) -> None:
    assert builtin_path(name).stat().st_size <= 1_000_000


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILTIN_NAMES)
def test_counts_per_class(name: str, data_sets: dict[str, list[Atoms]]) -> None:
    assert Counter(frame.info["config_type"] for frame in data_sets[name]) == CLASSES[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILTIN_NAMES)
def test_labels_are_complete_and_finite(name: str, data_sets: dict[str, list[Atoms]]) -> None:
    for frame in data_sets[name]:
        results = frame.calc.results
        assert set(results) == {"energy", "forces"} | ({"stress"} if frame.pbc.all() else set())
        assert results["forces"].shape == (len(frame), 3)
        assert all(np.isfinite(value).all() for value in results.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILTIN_NAMES)
def test_no_two_atoms_closer_than_chemistry_allows(name: str, data_sets: dict[str, list[Atoms]]) -> None:
    # The distorted molecules are there for the sake of short distances; below these no program computes them.
    shortest = {"ethanol": 0.7, "ethanol-distorted": 0.1, "copper": 1.5}[name]
    assert sum(len(neighbor_list("d", frame, shortest)) for frame in data_sets[name]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILTIN_NAMES)
def test_no_frame_occurs_twice(name: str, data_sets: dict[str, list[Atoms]]) -> None:
    geometries = {(frame.positions.tobytes(), frame.cell.array.tobytes()) for frame in data_sets[name]}
    # The isolated atoms differ in species only.
    isolated = CLASSES[name].get("isolated_atom", 1)
    assert len(geometries) == len(data_sets[name]) - isolated + 1


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILTIN_NAMES)
def test_forces_of_a_frame_add_up_to_nothing(name: str, data_sets: dict[str, list[Atoms]]) -> None:
    for frame in data_sets[name]:
        forces = frame.get_forces()
        np.testing.assert_allclose(forces.sum(axis=0), 0.0, atol=1e-5 + 1e-9 * np.abs(forces).max())


@pytest.mark.parametrize("name", BUILTIN_NAMES)
def test_card_states_theory_license_and_counts(name: str) -> None:
    card = builtin_card(name)
    theories = {"ethanol": "GFN2-xTB", "ethanol-distorted": "GFN2-xTB", "copper": "Effective medium theory"}
    assert theories[name] in card
    assert "CC0 1.0" in card
    assert f"make_builtin_data.py --only {name}" in card
    counts = {row[0]: int(row[1]) for row in re.findall(r"^\| (\w+) \| (\d+) \|", card, flags=re.MULTILINE)}
    assert counts == CLASSES[name]


@pytest.mark.slow
def test_isolated_atoms_are_every_element_once(data_sets: dict[str, list[Atoms]]) -> None:
    for name in ("ethanol", "copper"):
        frames = data_sets[name]
        atoms = members(frames, "isolated_atom")
        assert all(len(atom) == 1 and not atom.pbc.any() for atom in atoms)
        assert Counter(str(atom.symbols) for atom in atoms) == dict.fromkeys(
            {symbol for frame in frames for symbol in frame.symbols}, 1
        )


@pytest.mark.slow
def test_copper_labels_are_emt(data_sets: dict[str, list[Atoms]]) -> None:
    for config_type in CLASSES["copper"]:
        for frame in members(data_sets["copper"], config_type)[::30]:
            atoms = unlabeled(frame)
            atoms.calc = EMT()
            assert frame.get_potential_energy() == pytest.approx(atoms.get_potential_energy(), abs=1e-5)
            np.testing.assert_allclose(frame.get_forces(), atoms.get_forces(), atol=1e-5)
            if frame.pbc.all():
                np.testing.assert_allclose(frame.get_stress(), atoms.get_stress(), atol=1e-5)


@pytest.mark.slow
def test_copper_stress_is_the_strain_derivative_of_the_energy(data_sets: dict[str, list[Atoms]]) -> None:
    frame = members(data_sets["copper"], "strained")[0]
    assert np.abs(frame.cell.angles() - 90.0).min() > 1.0
    step = 1e-4

    def energy(strain: np.ndarray) -> float:
        atoms = unlabeled(frame)
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
        atoms.calc = EMT()
        return float(atoms.get_potential_energy())

    numerical = np.zeros((3, 3))
    for i, j in np.ndindex(3, 3):
        strain = np.zeros((3, 3))
        strain[i, j] += step / 2
        strain[j, i] += step / 2
        numerical[i, j] = (energy(strain) - energy(-strain)) / (2 * step * frame.get_volume())
    stress = frame.get_stress(voigt=False)
    assert np.abs(stress).max() > 1e-2
    np.testing.assert_allclose(stress, numerical, atol=1e-5)


@pytest.mark.slow
def test_copper_slabs_have_vacuum_and_bulk_cells_none(data_sets: dict[str, list[Atoms]]) -> None:
    for frame in data_sets["copper"]:
        if frame.info["config_type"] == "surface":
            assert frame.pbc.tolist() == [True, True, False]
            assert frame.cell[2, 2] - np.ptp(frame.positions[:, 2]) > 10.0
        elif frame.info["config_type"] != "isolated_atom":
            assert frame.pbc.all()
            assert 9.0 < frame.get_volume() / len(frame) < 15.0


@pytest.mark.slow
def test_copper_liquid_has_lost_the_order_of_the_crystal(data_sets: dict[str, list[Atoms]]) -> None:
    # The {111} reflections of the fcc cell they were melted from: N for a crystal, about 1 for a liquid.
    reflections = 2.0 * np.array([[1, 1, 1], [1, 1, -1], [1, -1, 1], [-1, 1, 1]])

    def structure_factor(frame: Atoms) -> float:
        phases = np.exp(2j * np.pi * frame.get_scaled_positions() @ reflections.T)
        return float(np.mean(np.abs(phases.sum(axis=0)) ** 2) / len(frame))

    crystal = [frame for frame in members(data_sets["copper"], "bulk") if len(frame) == 32]
    assert np.mean([structure_factor(frame) for frame in crystal]) > 25.0
    assert np.mean([structure_factor(frame) for frame in members(data_sets["copper"], "liquid")]) < 3.0


@pytest.mark.slow
def test_ethanol_keeps_its_bonds_and_visits_all_rotamers(data_sets: dict[str, list[Atoms]]) -> None:
    for config_type in ("300K", "500K"):
        dihedrals = []
        for frame in members(data_sets["ethanol"], config_type):
            assert str(frame.symbols) == "C2OH6"
            distances = get_distances(frame.positions)[1]
            hydrogens = distances[frame.numbers == 1][:, frame.numbers != 1].min(axis=1)
            assert hydrogens.max() < 1.5
            assert distances[0, 1] < 2.0
            assert distances[1, 2] < 2.0
            dihedrals.append(frame.get_dihedral(0, 1, 2, 3))
        gauche_plus, anti, gauche_minus = np.histogram(dihedrals, bins=(0.0, 120.0, 240.0, 360.0))[0] / len(dihedrals)
        # GFN2-xTB puts anti 0.067 eV above gauche: a Boltzmann weight of 0.04 at 300 K and 0.10 at 500 K.
        assert 0.02 < anti < 0.2
        assert min(gauche_plus, gauche_minus) > 0.25


@pytest.mark.slow
def test_ethanol_is_hotter_at_500_kelvin(data_sets: dict[str, list[Atoms]]) -> None:
    # Equipartition for harmonic vibrations: the mean energies differ by (3N - 6) k (500 K - 300 K) / 2 = 0.18 eV.
    cold, hot = (
        np.mean([frame.get_potential_energy() for frame in members(data_sets["ethanol"], config_type)])
        for config_type in ("300K", "500K")
    )
    assert 0.12 < hot - cold < 0.26


@pytest.mark.slow
def test_distorted_ethanol_is_in_the_class_of_its_forces(data_sets: dict[str, list[Atoms]]) -> None:
    for frame in data_sets["ethanol-distorted"]:
        force = np.linalg.norm(frame.get_forces(), axis=1).max()
        limit = float(frame.info["config_type"].removeprefix("forces_"))
        assert force <= limit
        assert limit == 10 or force > limit / 10


@pytest.mark.slow
def test_distorted_ethanol_covers_every_pair_of_elements_down_to_short_distance(
    data_sets: dict[str, list[Atoms]],
) -> None:
    shortest = dict.fromkeys(("HH", "CH", "HO", "CC", "CO", "OO"), 9.0)
    for frame in data_sets["ethanol-distorted"]:
        for i, j, distance in zip(*neighbor_list("ijd", frame, 0.5), strict=True):
            pair = "".join(sorted((frame.symbols[i], frame.symbols[j])))
            shortest[pair] = min(shortest[pair], float(distance))
    assert max(shortest.values()) < 0.13


@pytest.mark.slow
def test_energies_of_distorted_dimers_fall_from_the_shortest_distance_to_the_bond(
    data_sets: dict[str, list[Atoms]],
) -> None:
    dimers = [frame for frame in data_sets["ethanol-distorted"] if frame.info["origin"] == "dimer"]
    for formula in {frame.get_chemical_formula() for frame in dimers}:
        of_pair = [frame for frame in dimers if frame.get_chemical_formula() == formula]
        short = [(frame.get_distance(0, 1), frame.get_potential_energy()) for frame in of_pair]
        energies = [energy for distance, energy in sorted(short) if distance < 0.7]
        assert len(energies) > 5
        assert (np.diff(energies) < 0).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "index"),
    [*(("ethanol", index) for index in (0, 1, 2, 3, 700)), *(("ethanol-distorted", index) for index in (2, 90, 300))],
)
def test_ethanol_labels_are_gfn2(name: str, index: int, data_sets: dict[str, list[Atoms]]) -> None:
    tblite = pytest.importorskip("tblite.ase", reason="tblite made the ethanol labels and is needed to check them")
    frame = data_sets[name][index]
    atoms = unlabeled(frame)
    atoms.calc = tblite.TBLite(
        method="GFN2-xTB", multiplicity=frame.info.get("multiplicity", 1), accuracy=0.01, verbosity=0
    )
    assert frame.get_potential_energy() == pytest.approx(atoms.get_potential_energy(), abs=1e-5)
    np.testing.assert_allclose(frame.get_forces(), atoms.get_forces(), rtol=1e-7, atol=1e-5)


def test_unknown_name_lists_the_names_and_suggests_the_nearest() -> None:
    with pytest.raises(DataError, match=r'no built-in data set "etanol".*copper, ethanol.*did you mean "ethanol"\?'):
        builtin_path("etanol")
    with pytest.raises(DataError, match="copper, ethanol") as error:
        builtin_card("water-dimer")
    assert "did you mean" not in str(error.value)


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    specification = importlib.util.spec_from_file_location("make_builtin_data", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILTIN_NAMES)
def test_file_is_what_the_generator_writes(
    name: str, generator: ModuleType, data_sets: dict[str, list[Atoms]], tmp_path: Path
) -> None:
    written = tmp_path / "written.extxyz.gz"
    generator.write_frames(data_sets[name], written)
    assert gzip.decompress(written.read_bytes()) == gzip.decompress(builtin_path(name).read_bytes())
    flags_and_time = written.read_bytes()[3:8]
    assert flags_and_time == bytes(5), "no file name and no time stamp, or the bytes would change from run to run"


@pytest.mark.slow
def test_generator_repeats_itself(generator: ModuleType, data_sets: dict[str, list[Atoms]]) -> None:
    # Classes made without dynamics are the same on every machine.
    for index, config_type in enumerate(CLASSES["copper"]):
        if config_type in ("bulk", "strained", "vacancy", "surface"):
            rng = np.random.default_rng((generator.COPPER_SEED, index - 1))
            made = list(generator.COPPER_CLASSES[config_type](rng))
            for new, shipped in zip(made, members(data_sets["copper"], config_type), strict=True):
                np.testing.assert_allclose(new.positions, shipped.positions, atol=1e-7)


def test_script_explains_itself() -> None:
    result = subprocess.run([sys.executable, SCRIPT, "--help"], capture_output=True, text=True, check=True)
    assert "--only" in result.stdout
    assert "--output" in result.stdout
