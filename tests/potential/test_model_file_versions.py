"""Files of every release load and predict what they did; files of older versions are brought to the present one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from safetensors import safe_open
from safetensors.torch import save_file
from slow_cases import slow_but

import potentials
from potentials.config import families
from potentials.data.graph import build_graph
from potentials.errors import ModelFileError
from potentials.potential import Potential, model_file, model_file_versions
from potentials.potential.model_file_versions import FORMAT_VERSION, RELEASES, Header, Tensors

FOLDER = Path(__file__).parent.parent / "model_files"
FILES = sorted(FOLDER.glob("*/*.potential"))
MACE = FOLDER / "0.1.0" / "mace.potential"


def stored(file: Path) -> tuple[Header, Tensors]:
    """Header and tensors as they stand in a file."""
    with safe_open(file, framework="pt") as contents:
        header = json.loads(contents.metadata()["potentials"])
        return header, {name: contents.get_tensor(name) for name in contents.keys()}  # noqa: SIM118


def write(file: Path, header: Any, tensors: Tensors) -> Path:
    save_file(tensors, file, metadata={"potentials": json.dumps(header)})
    return file


def predictions(file: Path) -> Iterator[tuple[Atoms, dict[str, Any]]]:
    for known in json.loads(file.with_suffix(".json").read_text()).values():
        yield Atoms(known["symbols"], known["positions"], cell=known["cell"], pbc=known["pbc"]), known


def compare(potential: Potential, file: Path, energy: float, derivatives: float) -> None:
    for atoms, known in predictions(file):
        graph = build_graph(atoms, potential.elements, potential.cutoff)
        found = potential(graph, stress=True)
        assert found.energy.item() == pytest.approx(known["energy"], abs=energy)
        assert found.forces.numpy() == pytest.approx(np.array(known["forces"]), abs=derivatives)
        if known["stress"] is not None:
            assert found.stress[0].numpy() == pytest.approx(np.array(known["stress"]), abs=derivatives)


def test_there_are_files_of_every_version_and_family() -> None:
    versions = {stored(file)[0]["format_version"] for file in FILES}
    assert versions == set(RELEASES) == set(range(1, FORMAT_VERSION + 1))
    assert {file.parent.name for file in FILES} >= set(RELEASES.values())
    newest = sorted(FOLDER.iterdir())[-1]
    assert {file.stem for file in newest.glob("*.potential")} == set(families())
    assert all(file.stat().st_size <= 30_000 for file in FILES)


def test_every_older_version_has_an_upgrader() -> None:
    assert sorted(model_file_versions.UPGRADERS) == list(range(1, FORMAT_VERSION))


@pytest.mark.parametrize("name", slow_but([f"{file.parent.name}-{file.stem}" for file in FILES], "0.1.0-nequip"))
def test_a_file_of_a_release_predicts_what_it_did(name: str) -> None:
    file = FOLDER / f"{name.replace('-', '/')}.potential"
    # Energies are sums of up to a hundred eV, of which single precision resolves some millionths.
    compare(model_file.load(file), file, 5e-6, 1e-5)
    compare(model_file.load(file, precision="float64"), file, 1e-9, 1e-8)


@pytest.mark.slow
def test_loading_is_the_first_thing_a_process_does() -> None:
    """What is built on the device without memory, to compare shapes, must leave nothing behind for the potential."""
    program = """
import json, sys
from ase import Atoms
import potentials
from potentials.data.graph import build_graph
for file in sys.argv[1:]:
    potential = potentials.load(file + ".potential", precision="float64")
    known = json.load(open(file + ".json"))["crystal"]
    atoms = Atoms(known["symbols"], known["positions"], cell=known["cell"], pbc=known["pbc"])
    energy = potential(build_graph(atoms, potential.elements, potential.cutoff)).energy.item()
    assert abs(energy - known["energy"]) < 1e-9, file
"""
    files = [str(file.with_suffix("")) for file in sorted(FOLDER.iterdir())[-1].glob("*.potential")]
    subprocess.run(
        [sys.executable, "-c", program, *files], check=True, env=os.environ | {"POTENTIALS_KERNELS": "reference"}
    )


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_the_known_predictions_are_not_trivial(file: Path) -> None:
    for atoms, known in predictions(file):
        assert np.abs(known["forces"]).max() > 0.005
        assert abs(np.sum(known["forces"])) < 1e-9
        assert (known["stress"] is not None) == atoms.pbc.all()


# Upgrading, with versions that exist in these tests only: 0 called the cutoff "radius" and kept matrices transposed;
# -1 had no `versions`.


def downgraded(header: Header, tensors: Tensors) -> tuple[Header, Tensors]:
    old = {name: value for name, value in header.items() if name != "cutoff"}
    model = {("radius" if name == "cutoff" else name): value for name, value in header["model"].items()}
    return {**old, "model": model, "format_version": 0}, {name: t.T.contiguous() for name, t in tensors.items()}


def from_0(header: Header, tensors: Tensors) -> tuple[Header, Tensors]:
    model = {("cutoff" if name == "radius" else name): value for name, value in header["model"].items()}
    return {**header, "model": model, "cutoff": header["model"]["radius"]}, {n: t.T for n, t in tensors.items()}


def from_minus_1(header: Header, tensors: Tensors) -> tuple[Header, Tensors]:
    return {**header, "versions": {"potentials": header["release"]}}, tensors


@pytest.fixture
def older_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_file_versions, "UPGRADERS", {0: from_0, -1: from_minus_1})


@pytest.mark.usefixtures("older_versions")
@pytest.mark.filterwarnings("ignore:The use of `x.T` on tensors")
def test_an_older_file_is_upgraded_step_by_step(tmp_path: Path) -> None:
    header, tensors = downgraded(*stored(MACE))
    one_step = write(tmp_path / "0.potential", header, tensors)
    compare(potentials.load(one_step), MACE, 5e-6, 1e-5)
    del header["versions"]
    two_steps = write(tmp_path / "-1.potential", {**header, "format_version": -1, "release": "0.0.1"}, tensors)
    compare(potentials.load(two_steps), MACE, 5e-6, 1e-5)
    upgraded = model_file.read_header(two_steps)
    assert (upgraded["format_version"], upgraded["cutoff"]) == (FORMAT_VERSION, 3.5)
    assert upgraded["versions"] == {"potentials": "0.0.1"}
    # Saved again, it is a file of the present version.
    model_file.save(potentials.load(two_steps), tmp_path / "new.potential")
    assert stored(tmp_path / "new.potential")[0]["format_version"] == FORMAT_VERSION


@pytest.mark.usefixtures("older_versions")
def test_a_broken_older_file_is_refused(tmp_path: Path) -> None:
    header, tensors = downgraded(*stored(MACE))
    del header["model"]["radius"]
    with pytest.raises(ModelFileError, match=r"a.potential: not a valid file of format version 0"):
        potentials.load(write(tmp_path / "a.potential", header, tensors))
    with pytest.raises(ModelFileError, match=r"format version -2, but this release reads versions -1 to 1$"):
        potentials.load(write(tmp_path / "a.potential", {**header, "format_version": -2}, tensors))


@pytest.mark.usefixtures("older_versions")
def test_what_an_upgrader_gives_is_checked(tmp_path: Path) -> None:
    header, tensors = downgraded(*stored(MACE))
    with pytest.raises(ModelFileError, match="`precision` is missing"):
        potentials.load(write(tmp_path / "a.potential", {**header, "precision": None}, tensors))
    tensors["extra"] = tensors["embedding"].clone()
    with pytest.raises(ModelFileError, match=r"unexpected \['extra'\]"):
        potentials.load(write(tmp_path / "a.potential", header, tensors))


@pytest.mark.parametrize(
    ("versions", "advice"),
    [
        ({"potentials": "0.9.0"}, "install potentials 0.9.0, which wrote the file, or a newer release"),
        ({"potentials": "9" * 50}, "install a newer release of potentials"),
        ({"potentials": ["0.9.0"]}, "install a newer release of potentials"),
        (None, "install a newer release of potentials"),
    ],
    ids=str,
)
def test_a_future_version_names_the_release_that_is_needed(versions: Any, advice: str, tmp_path: Path) -> None:
    header, tensors = stored(MACE)
    file = write(tmp_path / "a.potential", {**header, "format_version": 2, "versions": versions}, tensors)
    for read in (model_file.load, model_file.read_header):
        with pytest.raises(ModelFileError, match=advice) as caught:
            read(file)
        assert "format version 2, but this release" in str(caught.value)
        assert "\n" not in str(caught.value)
