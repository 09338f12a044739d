"""Every command that takes a model file says in one line what is wrong with it."""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from safetensors.torch import save_file

SOUND = Path(__file__).parent.parent / "model_files" / "0.1.0" / "schnet.potential"
COMMANDS = {
    "inspect": [],
    "test": ["builtin:ethanol@:2"],
    "predict": ["builtin:ethanol@0", "--output", "out.xyz"],
    "md": ["builtin:ethanol", "--steps", "1"],
    "relax": ["builtin:ethanol@0", "--output", "out.xyz"],
}


def changed(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """Write a file that is whole, with another header."""

    def write(file: Path) -> None:
        with safe_open(SOUND, framework="pt") as contents:
            header = json.loads(contents.metadata()["potentials"])
            tensors = {name: contents.get_tensor(name) for name in contents.keys()}  # noqa: SIM118
        change(header)
        save_file(tensors, file, metadata={"potentials": json.dumps(header)})

    return write


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda file: None, "no such model file"),
    "a folder": (lambda file: file.mkdir(), "no such model file"),
    "empty": (lambda file: file.touch(), "not a model file, or truncated"),
    "cut": (lambda file: file.write_bytes(SOUND.read_bytes()[:-9]), "not a model file, or truncated"),
    "a pickle": (lambda file: file.write_bytes(pickle.dumps({"model": 1})), "not a model file, or truncated"),
    "a header without end": (lambda file: file.write_bytes(struct.pack("<Q", 2**63) + b"{}"), "truncated"),
    "of the future": (changed(lambda header: header.update(format_version=9)), "format version 9, but this release"),
    "of another family": (changed(lambda header: header["model"].update(name="gap")), "unknown model family"),
    "enormous": (changed(lambda header: header["model"].update(channels=65_536, layers=100)), "not match the header"),
    "beyond limits": (changed(lambda header: header["model"].update(channels=10**9)), "less than or equal to 65536"),
    "several faults": (changed(lambda header: header["model"].update(channels=0, a=1, b=2, c=3)), "and 1 more"),
    "no energies": (changed(lambda header: header.update(reference_energies={})), "missing H, C, O"),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("command", COMMANDS)
def test_one_clear_line(
    command: str, kind: str, potentials: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write, words = BROKEN[kind]
    write(tmp_path / "broken.potential")
    result = potentials(command, "broken.potential", *COMMANDS[command])
    assert result.exit_code == 2
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: broken.potential: ")
    assert words in lines[0]
    assert sorted(path.name for path in tmp_path.iterdir()) in ([], ["broken.potential"])


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"config": 3, "epoch": "x", "training_data": [1], "validation_errors": 7},
        {"config": {"run": ["a"]}, "epoch": 10**400, "validation_errors": {"forces": {"rmse": "y"}, "stress": [1]}},
        {"config": {}, "epoch": None, "validation_errors": {"forces": {"rmse": 10**400}, "energy_per_atom": {}}},
    ],
    ids=str,
)
def test_metadata_of_any_form_are_shown(metadata: Any, potentials: Any, tmp_path: Path) -> None:
    file = tmp_path / "odd.potential"
    changed(lambda header: header.update(metadata=metadata))(file)
    result = potentials("inspect", file)
    assert result.exit_code == 0, result.output
    assert "schnet" in result.stdout
    assert json.loads(potentials("inspect", file, "--json").stdout)["metadata"] == metadata


@pytest.mark.parametrize("config", [3, {"data": [1]}, {"data": {"energy": {"unit": "mile"}}}], ids=str)
def test_labels_of_any_form(config: Any, potentials: Any, tmp_path: Path) -> None:
    file = tmp_path / "odd.potential"
    changed(lambda header: header.update(metadata={"config": config}))(file)
    result = potentials("test", file, "builtin:ethanol@:2")
    assert result.exit_code == 2
    assert "the label configuration in the model file is not valid" in result.stderr
    assert len(result.stderr.splitlines()) == 1
