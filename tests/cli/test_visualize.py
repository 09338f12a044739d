"""`potentials visualize`, and `builtin:ethanol` as a model of any command."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import potentials
from potentials.cli.main import app
from potentials.errors import ModelFileError
from potentials.potential.model_file import read_header


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def test_it_writes_a_page(tmp_path: Path) -> None:
    page = tmp_path / "pages" / "ethanol.html"
    done = run("visualize", "builtin:ethanol", "-o", str(page))
    assert done.exit_code == 0, done.output
    assert "builtin:ethanol, frame 5, 9 atoms" in done.stdout
    assert page.read_text().startswith("<!DOCTYPE html>")


def test_bad_structures_are_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty.xyz"
    empty.touch()
    for structure, message in (
        (str(empty), "is empty"),
        (str(tmp_path / "no.xyz"), "no such file"),
        ("builtin:copper", "Cu"),
    ):
        done = run("visualize", "builtin:ethanol", structure, "-o", str(tmp_path / "page.html"))
        assert done.exit_code == 2
        assert message in done.stderr
        assert not (tmp_path / "page.html").exists()


def test_the_built_in_model_is_known_to_other_commands(tmp_path: Path) -> None:
    done = run("inspect", "builtin:ethanol", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["model"]["name"] == "mace"
    done = run("inspect", "builtin:water")
    assert done.exit_code == 2
    assert "builtin:ethanol" in done.stderr


def test_the_built_in_model_does_what_its_card_says() -> None:
    atoms = [frame for frame in _frames(20, 60) if len(frame) == 9]
    potential = potentials.load("builtin:ethanol")
    calculator = potential.calculator()
    squares = []
    for frame in atoms:
        expected = frame.get_forces()
        squares.append(((calculator.get_forces(frame) - expected) ** 2).mean())
    assert (sum(squares) / len(squares)) ** 0.5 < 0.02  # eV/A


def test_its_header_names_no_place_of_the_machine_it_was_made_on() -> None:
    text = json.dumps(read_header("builtin:ethanol")["metadata"])
    assert '"/' not in text
    assert read_header("builtin:ethanol")["metadata"]["config"]["run"] == "ethanol-guide"


def test_an_unknown_built_in_model_suggests() -> None:
    with pytest.raises(ModelFileError, match='did you mean "ethanol"'):
        potentials.load("builtin:etanol")


def _frames(start: int, stop: int):
    import ase.io

    from potentials.data.builtin import builtin_path

    return ase.io.read(builtin_path("ethanol"), index=slice(start, stop))
