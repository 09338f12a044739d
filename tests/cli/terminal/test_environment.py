"""Locales without UTF-8, names that are no text, users without a home or a name; each in a process of its own."""

import getpass
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import ase.io
import pytest
from plotly.graph_objects import Figure, Scatter

from potentials.cache import CACHE_VARIABLE, cache_path, temporary_home, usable_home
from potentials.cli.terminal import environment
from potentials.data.builtin import builtin_model_path, builtin_path
from potentials.data.conversion.convert import convert
from potentials.data.read import read_frames
from potentials.data.stores.handles import release_handles
from potentials.files import utf8_name, write_text
from potentials.pages.content import figure_json
from potentials.setup.audit.audit import data_of_files, labels_of_files
from potentials.training.lifecycle.journal import Journal

pytestmark = pytest.mark.slow

MODEL = "builtin:ethanol"
POSIX = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
UNDECODABLE = os.fsdecode(b"M\xe4rz")


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "potentials", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, env={**os.environ, **environment}, timeout=300)


@pytest.mark.parametrize("environment", [POSIX, {"PYTHONIOENCODING": "ascii"}], ids=["POSIX", "ascii terminal"])
def test_configurations_are_utf8_in_every_locale(environment: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "Daten März 数据"
    folder.mkdir()
    _write_ethanol(folder / "Ångström.xyz")
    written = run(folder, "init", "Ångström.xyz", "-o", "c.yaml", **environment)
    assert written.returncode == 0, written.stderr.decode()
    printed = run(folder, "init", "Ångström.xyz", **environment)
    assert printed.returncode == 0, printed.stderr.decode()
    for text in (printed.stdout, (folder / "c.yaml").read_bytes()):
        assert "Ångström.xyz" in text.decode("utf-8")


def test_predictions_keep_text_in_every_locale(tmp_path: Path) -> None:
    atoms = read_frames("builtin:ethanol@3")[0].atoms
    atoms.calc = None
    atoms.info["note"] = "Ångström 你好"
    ase.io.write(tmp_path / "a.xyz", atoms, format="extxyz")
    done = run(tmp_path, "predict", MODEL, "a.xyz", "-o", "ä.xyz", **POSIX)
    assert done.returncode == 0, done.stderr.decode()
    assert ase.io.read(tmp_path / "ä.xyz").info["note"] == "Ångström 你好"


def test_names_that_are_no_text(tmp_path: Path) -> None:
    folder = tmp_path / UNDECODABLE
    folder.mkdir()
    structure, model = f"{UNDECODABLE}.xyz", f"{UNDECODABLE}.potential"
    (folder / model).symlink_to(builtin_model_path("ethanol"))
    _write_ethanol(folder / structure)
    for arguments in (
        ["predict", model, f"{structure}@:2", "-o", f"p{UNDECODABLE}.xyz"],
        ["test", model, f"{structure}@:2", "-o", f"{UNDECODABLE}.json", "--parity", f"{UNDECODABLE}.csv"],
    ):
        done = run(folder, *arguments)
        assert done.returncode == 0, done.stderr.decode()
        assert rb"M\udce4rz" in done.stdout
    assert len(ase.io.read(folder / f"p{UNDECODABLE}.xyz", ":")) == 2
    assert json.loads((folder / f"{UNDECODABLE}.json").read_text())["splits"][0]["split"].startswith(UNDECODABLE)
    missing = run(folder, "predict", model, f"no{UNDECODABLE}.xyz")
    assert missing.returncode == 2
    assert b"Traceback" not in missing.stderr


def test_what_is_written_of_such_names(tmp_path: Path) -> None:
    write_text(tmp_path / "page.html", f"<p>{UNDECODABLE}")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == r"<p>M\udce4rz"
    Journal(tmp_path / "log.txt", show=False).say(UNDECODABLE)
    assert r"M\udce4rz" in (tmp_path / "log.txt").read_text(encoding="utf-8")
    figure = Figure(Scatter(y=[1.0], text=[UNDECODABLE]))
    assert json.loads(figure_json(figure))["data"][0]["text"] == [UNDECODABLE]


@pytest.mark.parametrize("suffix", [".aselmdb", ".h5", ".db", ".extxyz"])
def test_data_of_such_names(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"{UNDECODABLE}{suffix}"
    convert(["builtin:ethanol@3:6"], file)
    assert len(read_frames(str(file))) == 3
    release_handles()
    assert len(data_of_files(str(file), {}, labels_of_files(str(file)), 4.0).splits["training"]) == 3


def test_files_of_such_names_have_another(tmp_path: Path) -> None:
    for name in (UNDECODABLE, "März"):
        (tmp_path / name).write_text("content")
        with utf8_name(tmp_path / name) as other:
            assert Path(other.encode().decode()).read_text() == "content"


@pytest.fixture
def no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Neither a home folder nor a name, as in containers; the folder for temporary files is returned."""
    for name in (CACHE_VARIABLE, *environment._LIBRARY_FOLDERS, "HOME", "USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "")  # so that it is restored
        monkeypatch.delenv(name)
    monkeypatch.setattr("pwd.getpwuid", lambda number: (_ for _ in ()).throw(KeyError("uid not found")))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    temporary_home.cache_clear()
    yield tmp_path
    temporary_home.cache_clear()


def test_users_without_a_home_have_a_private_cache(no_home: Path) -> None:
    assert usable_home() is None
    folder = cache_path("kernels").parent
    assert folder == no_home / f"potentials-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700
    temporary_home.cache_clear()
    assert cache_path("kernels").parent == folder
    folder.chmod(0o777)
    temporary_home.cache_clear()
    assert cache_path("kernels").parent not in (folder, no_home)


def test_homes_that_cannot_be_written_to(no_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/proc/nowhere")
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).startswith("/proc"))
    assert usable_home() is None
    assert cache_path("data").parent == no_home / f"potentials-{os.getuid()}"
    monkeypatch.setenv(CACHE_VARIABLE, "/elsewhere")
    assert cache_path("data") == Path("/elsewhere/data")


def test_libraries_find_a_home_and_a_name(no_home: Path) -> None:
    assert "caches are kept in" in environment.ensure_home_folder()
    assert getpass.getuser() == f"uid{os.getuid()}"
    assert Path.home() == temporary_home()
    for name in environment._LIBRARY_FOLDERS:
        assert Path(os.environ[name]).is_dir()
    assert environment.ensure_home_folder() == ""


def _write_ethanol(file: Path) -> None:
    file.write_bytes(gzip.decompress(builtin_path("ethanol").read_bytes()))
