"""A page for every family, and what bad input gets."""

import json
import re

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from families.cases import Case, cases
from slow_cases import slow_but

import potentials
from potentials.errors import DataError, PotentialsError, UnknownElementError
from potentials.visualization import visualization_page
from potentials.visualization.observation import anatomy_of
from potentials.visualization.scene import MOST_SHOWN, scene_of
from potentials.visualization.structures import structure_to_show

LARGEST = 8 * 2**20
SECTIONS = 7


def _page(potential: potentials.Potential, atoms: Atoms, **options: object) -> str:
    return visualization_page(potential, atoms, model_name="a model", structure_name="a structure", **options)


def _missing(page: str) -> list[str]:
    return re.findall(r'<p class="missing">(.*?)</p>', page)


@pytest.mark.parametrize("case", slow_but(cases(), "mace residual", "schnet bessel"))
def test_every_family_gives_a_page(case: Case) -> None:
    page = _page(case.potential(), molecule("H2O"))
    assert len(page.encode()) < LARGEST
    assert page.count("<section id=") == SECTIONS
    assert len(_missing(page)) <= 3
    for text in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL):
        json.loads(text, parse_constant=pytest.fail)  # no NaN, no Infinity


def test_names_are_escaped() -> None:
    potential = potentials.load("builtin:ethanol")
    page = visualization_page(potential, molecule("H2O"), model_name="<b>&model", structure_name="</script><script>")
    assert "<b>&model" not in page
    assert "</script><script>:" not in page
    assert "&lt;b&gt;&amp;model" in page


def test_an_atom_alone_has_no_messages_and_the_page_says_so() -> None:
    page = _page(potentials.load("builtin:ethanol"), Atoms("O"))
    assert any("no messages" in reason for reason in _missing(page))
    assert "NaN" not in re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)


def test_atoms_out_of_reach_of_each_other() -> None:
    page = _page(potentials.load("builtin:ethanol"), Atoms("OH", positions=[[0, 0, 0], [0, 0, 50]]))
    assert any("within the cutoff" in reason for reason in _missing(page))


def test_an_unknown_element() -> None:
    with pytest.raises(UnknownElementError, match="Cu"):
        _page(potentials.load("builtin:ethanol"), bulk("Cu"))


def test_a_family_that_says_nothing_of_itself() -> None:
    case = cases()[0]
    potential = case.potential()
    potential.model = potential.model.edges
    with pytest.raises(PotentialsError, match="anatomy"):
        anatomy_of(potential)


def test_large_structures_are_shown_in_part() -> None:
    atoms = molecule("H2O", cell=[3.1, 3.1, 3.1], pbc=True) * (3, 3, 3)
    scene = scene_of(atoms, 40)
    assert len(scene.shown) == MOST_SHOWN
    assert "81 atoms" in scene.note
    # The nearest images of the nearest atoms.
    distances = atoms.get_distances(40, np.arange(len(atoms)), mic=True)
    place = scene.shown.tolist().index(40)
    shown = np.linalg.norm(scene.positions - scene.positions[place], axis=1)
    np.testing.assert_allclose(shown, distances[scene.shown], atol=1e-9)
    assert distances[scene.shown].max() <= np.delete(distances, scene.shown).min()


@pytest.mark.parametrize("atom", [-1, 3])
def test_an_atom_that_is_not_there(atom: int) -> None:
    with pytest.raises(DataError, match=f"from 0 to 2, got {atom}"):
        scene_of(molecule("H2O"), atom)


def test_no_atoms_or_too_many() -> None:
    with pytest.raises(DataError, match="the structure has no atoms"):
        scene_of(Atoms())
    with pytest.raises(DataError, match="cut out"):
        scene_of(Atoms("H5001", positions=np.random.default_rng(0).normal(size=(5001, 3))))


def test_the_structure_of_the_training_data() -> None:
    potential = potentials.load("builtin:ethanol")
    frame = structure_to_show(potential, None)
    assert frame.file == "builtin:ethanol"
    assert len(frame.atoms) == 9  # not one of the isolated atoms, which come first
    assert structure_to_show(potential, "builtin:ethanol@0").atoms.get_chemical_formula() in {"H", "C", "O"}


def test_isolated_atoms_in_a_file_of_their_own_are_passed_over() -> None:
    potential = potentials.load("builtin:ethanol")
    potential.metadata = {"config": {"data": {"train": ["builtin:ethanol@:3", "builtin:ethanol@7:9"]}}}
    assert structure_to_show(potential, None).index == 7
    potential.metadata = {"config": {"data": {"train": ["builtin:ethanol@1", "builtin:ethanol@2"]}}}
    assert structure_to_show(potential, None).index == 1


@pytest.mark.parametrize(
    "metadata", [{}, {"config": None}, {"config": {"data": {"train": 3}}}, {"config": {"data": {"train": []}}}]
)
def test_a_header_without_training_data(metadata: dict) -> None:
    potential = potentials.load("builtin:ethanol")
    potential.metadata = metadata
    with pytest.raises(DataError, match="give a structure after the model"):
        structure_to_show(potential, None)


def test_training_data_that_are_gone() -> None:
    potential = potentials.load("builtin:ethanol")
    potential.metadata = {"config": {"data": {"train": ["/nowhere/water.xyz"]}}}
    with pytest.raises(DataError, match=r"the folder /nowhere does not exist.*give a structure"):
        structure_to_show(potential, None)
