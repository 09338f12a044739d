"""The sections that exercise a potential, on data of every kind: what they show, and what they say is missing."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from morse_family import R0, morse_potential
from morse_pairs import fcc_bulk_modulus, fcc_lattice_constant
from report_subjects import cells, kinds_of_marks, labeled, subject, tables
from slow_cases import slow_but

from potentials.data.label import LabeledFrame
from potentials.data.read import Frame
from potentials.errors import SimulationError
from potentials.pages import Gallery, Page, Section
from potentials.report.sections import crystals, dimers, dynamics, phonons, speed, stability, symmetry
from potentials.report.structures.choice import enlarged, kinds, known, named_temperature
from potentials.report.subject import Subject

SECTIONS: dict[str, Callable[[Subject], Section]] = {
    module.__name__.rpartition(".")[2]: module.section
    for module in (dimers, crystals, phonons, dynamics, stability, symmetry, speed)
}


def shaken_crystals(count: int = 3) -> list[Atoms]:
    frames = [bulk("Cu", a=3.5639, cubic=True)]
    for seed in range(count - 1):
        frames.append(bulk("Cu", a=3.6, cubic=True) * (2, 1, 1))
        frames[-1].rattle(0.05, seed=seed)
    return frames


def clusters(count: int = 3) -> list[Atoms]:
    found = []
    for seed in range(count):
        found.append(Atoms("OCu2", R0 * np.array([[0, 0, 0], [1, 0, 0], [0.5, np.sqrt(0.75), 0]])))
        found[-1].rattle(0.05 * seed, seed=seed)
    return found


PARTS = {
    "crystal": {"train": labeled(shaken_crystals())},
    "cluster": {"train": labeled(clusters())},
    "one frame": {"train": labeled(shaken_crystals()[:1])},
    "slab": {"train": labeled([fcc111("Cu", (2, 2, 3), a=3.5639, vacuum=6.0)])},
    "without labels": {"DATA": labeled(shaken_crystals(), labels=False)},
    "lone atom": {"train": labeled([Atoms("Cu")])},
    "unknown element": {"train": labeled([molecule("H2O")], labels=False)},
    "empty part": {"train": []},
    "nothing": {},
}


@pytest.mark.parametrize("data", slow_but(PARTS, "one frame", "nothing"))
@pytest.mark.parametrize("name", SECTIONS)
def test_every_section_says_something_of_all_data(name: str, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # A process that imports torch takes seconds; tests/setup/test_speed.py has one.
    monkeypatch.setattr(speed, "peak_memories", lambda _, structures, *others: [10**8] * (1 + len(structures)))
    made = SECTIONS[name](subject(PARTS[data], budget=1.0))
    assert made.good
    if made.missing is None:
        assert made.parts
    else:
        assert len(made.missing) > 40
        assert not made.parts
    page = Page("test", sections=[made]).html()
    assert "NaN" not in re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    if data in ("lone atom", "unknown element", "empty part", "nothing") and name not in ("dimers", "symmetry"):
        assert made.missing is not None
        assert "potentials report MODEL" in made.missing


def test_pairs_never_seen_are_said_to_be_so_and_those_seen_have_their_shortest_distance() -> None:
    made = dimers.section(subject(PARTS["cluster"]))
    rows = {row[0]: row for row in tables(made)[0].rows}
    assert set(rows) == {"O-O", "O-Cu", "Cu-Cu"}
    assert rows["O-O"][1] == "never"
    shortest = min(atoms.get_distance(1, 2) for atoms in clusters())
    assert rows["Cu-Cu"][1] == f"{shortest:.3f}"
    assert "-0.34 at 2.8" in str(rows["Cu-Cu"][2])
    assert kinds_of_marks(made) == ["good"] * 3
    assert "the whole curve is an extrapolation" in made.html()


def test_atoms_that_fall_into_each_other_are_marked() -> None:
    made = dimers.section(subject(PARTS["cluster"], morse_potential(epsilon=-0.3)))
    assert "bad" in kinds_of_marks(made)


@pytest.mark.slow
def test_of_many_elements_some_are_shown() -> None:
    from potentials.config.families import families
    from potentials.potential import Potential

    elements = ["H", "C", "N", "O", "F", "Si", "S"]
    config = families()["schnet"].model_validate(
        {"name": "schnet", "channels": 4, "elements": elements, "average_neighbors": 5.0, "scale": 1.0, "shift": 0.0}
    )
    potential = Potential(config, dict.fromkeys(elements, 0.0)).eval()
    frames = labeled([molecule("CH3CH2SH"), molecule("SiH4"), molecule("CH3OH")], labels=False)
    made = dimers.section(subject({"train": frames}, potential))
    (gallery,) = (part for part in made.parts if isinstance(part, Gallery))
    assert len(gallery.plots) == 15
    assert "left out: N, F" in made.html()


def test_the_crystal_has_its_bulk_modulus_and_is_stable() -> None:
    from ase import units

    made = crystals.section(subject(PARTS["crystal"], budget=30.0))
    rows = {str(row[0]): row for row in tables(made)[0].rows}
    assert float(str(rows["volume, A^3/atom"][1])) == pytest.approx(fcc_lattice_constant() ** 3 / 4, rel=5e-3)
    of_stresses = float(str(rows["bulk modulus from the stresses, GPa"][1]))
    assert of_stresses == pytest.approx(fcc_bulk_modulus() / units.GPa, rel=0.01)
    assert "stable" in cells(made)
    assert len(tables(made)[1].rows) == 6


def test_phonons_of_a_crystal_and_modes_of_a_cluster() -> None:
    pytest.importorskip("phonopy")
    made = phonons.section(subject(PARTS["crystal"], budget=30.0))
    assert "no imaginary modes" in cells(made)
    of_cluster = phonons.section(subject(PARTS["cluster"]))
    assert "a minimum" in cells(of_cluster)
    assert "1/cm" in of_cluster.html()


def test_without_phonopy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phonons, "has_phonopy", lambda: False)
    made = phonons.section(subject(PARTS["crystal"], budget=30.0))
    assert made.missing is not None
    assert "pip install -c constraints.txt -e '.[phonons]'" in made.missing


@pytest.mark.slow
def test_energy_is_conserved_as_expected_of_the_integrator() -> None:
    made = dynamics.section(subject(PARTS["crystal"], budget=12.0))
    assert kinds_of_marks(made) == ["good"] * 3


@pytest.mark.slow
def test_a_stable_simulation_and_one_that_falls_apart() -> None:
    made = stability.section(subject(PARTS["crystal"], budget=10.0))
    assert "no failure" in cells(made)
    fallen = stability.section(subject(PARTS["cluster"], morse_potential(epsilon=-0.3), budget=30.0))
    assert "failed" in cells(fallen)


def test_symmetries_are_kept() -> None:
    made = symmetry.section(subject({**PARTS["cluster"], "test": PARTS["crystal"]["train"]}))
    assert set(kinds_of_marks(made)) <= {"good", "none"}
    assert kinds_of_marks(made).count("good") == 9


def test_ponita_is_approximate_by_design(repository) -> None:
    import potentials

    potential = potentials.load(repository / "tests" / "model_files" / "0.1.0" / "ponita.potential")
    made = symmetry.section(subject({}, potential))
    assert "approximate by design" in cells(made)
    assert "a generated cluster of 27 atoms" in made.html()


def test_speed_has_growing_structures_and_says_when_memory_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> list[int]:
        raise SimulationError("Memory was not measured: the process failed: for a test")

    monkeypatch.setattr(speed, "peak_memories", fail)
    made = speed.section(subject(PARTS["crystal"], budget=20.0))
    sizes = [int(str(row[0])) for row in tables(made)[1].rows]
    assert sizes == [sizes[0] * 2**doubling for doubling in range(len(sizes))]
    assert len(sizes) > 1
    assert "Memory was not measured: the process failed" in made.html()


def test_the_calmest_frame_is_the_lowest_and_of_equals_the_smallest() -> None:
    perfect = bulk("Cu", a=3.5639, cubic=True)
    shaken = perfect.copy()
    shaken.rattle(0.1, seed=1)
    frames = labeled([shaken, perfect * (2, 1, 1), perfect])
    (kind,) = kinds(subject({"train": frames}))
    assert kind.formula == "Cu"
    assert len(kind.calmest) == 4
    np.testing.assert_allclose(kind.calmest.positions, perfect.positions)


def test_without_energies_the_smallest_forces_decide() -> None:
    frames = [
        LabeledFrame(frame.frame, float("nan"), frame.forces, frame.stress) for frame in labeled(clusters()[::-1])
    ]
    (kind,) = kinds(subject({"train": frames}))
    np.testing.assert_allclose(kind.calmest.positions, clusters()[0].positions)


def test_training_data_come_first_and_are_sampled() -> None:
    one = labeled(clusters()[:1])
    parts = {"train": one * 1200, "test": labeled(shaken_crystals())}
    assert len(known(subject(parts)).frames) == 500
    assert known(subject(parts)).name == "the training data"
    assert known(subject({"a": one, "b": one})).name == "the data given"
    assert len(known(subject({"a": one, "b": one})).frames) == 2


def test_data_that_are_given_are_what_is_simulated() -> None:
    train, given = labeled(clusters(9)), labeled(shaken_crystals())
    assert [kind.formula for kind in kinds(subject({"train": train, "DATA": given}))] == ["Cu"]
    # The parts of a run: what it was trained on.
    of_run = {"train": train, "validation": train[:1], "test": given}
    assert [kind.formula for kind in kinds(subject(of_run))] == ["Cu2O"]
    assert known(subject({"train": train, "DATA": given})).name == "the training data"


def test_cells_are_enlarged_where_they_are_periodic() -> None:
    assert len(enlarged(bulk("Cu", cubic=True), 8.0, 128)) == 108
    assert len(enlarged(bulk("Cu", cubic=True), 8.0, 40)) == 32
    slab = fcc111("Cu", (1, 1, 3), vacuum=6.0)
    assert enlarged(slab, 6.0, 128).cell[2, 2] == slab.cell[2, 2]
    assert len(enlarged(molecule("H2O"), 8.0, 128)) == 3


@pytest.mark.parametrize(
    ("file", "temperature"),
    [
        ("train_300K.xyz", 300),
        ("md 600 K.xyz", 600),
        ("water.xyz", None),
        ("/1200K/a.xyz", None),
        ("x2000Kelvin", None),
    ],
)
def test_temperatures_in_names(file: str, temperature: int | None) -> None:
    frame = LabeledFrame(Frame(molecule("O2"), file, 0), 0.0, np.zeros((2, 3)), np.zeros((3, 3)))
    assert named_temperature(subject({"train": [frame]})) == temperature
