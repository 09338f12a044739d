import hashlib

import pytest
from file_server import running_file_server
from published_files import mlearn_frames

from potentials.cache import CACHE_VARIABLE
from potentials.data.public import catalog
from potentials.data.public.catalog import PublicDataSet, PublicFile, data_set_names
from potentials.data.public.checksums import Checksum
from potentials.data.public.convert import convert_mlearn
from potentials.data.read import read_frames


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder, and a server whose two files are the data set `mlearn-xx` of the catalog."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    with running_file_server() as server:
        files = []
        for name, count in (("training.json", 3), ("test.json", 2)):
            content = server.files[name] = mlearn_frames("Mo", count, 3.2)
            checksum = Checksum("sha256", hashlib.sha256(content).hexdigest())
            files.append(PublicFile(name, server.url(name), checksum, len(content)))
        entry = PublicDataSet(
            "mlearn-xx",
            "cells",
            tuple(files),
            convert_mlearn,
            "https://example.org",
            "BSD",
            ("A. [Author]",),
            ("kbar",),
        )
        monkeypatch.setitem(catalog._CATALOG, "mlearn-xx", entry)
        yield server


def test_it_writes_and_says_what_to_cite(potentials, place, tmp_path):
    result = potentials("data", "fetch", "mlearn-xx")
    assert result.exit_code == 0, result.output
    for part in ("https://example.org", "BSD", "A. [Author]", "kbar", "data/mlearn-xx/train.extxyz, 3 frames"):
        assert part in result.stdout
    assert len(read_frames(str(tmp_path / "data" / "mlearn-xx" / "train.extxyz"))) == 3
    assert potentials("data", "fetch", "mlearn-xx").exit_code == 2
    assert potentials("data", "fetch", "mlearn-xx", "--force").exit_code == 0
    assert len(place.requests) == 2


def test_a_file_that_is_here_already(potentials, place, tmp_path):
    for name in ("training.json", "test.json"):
        (tmp_path / name).write_bytes(place.files[name])
    result = potentials(
        "data", "fetch", "mlearn-xx", "-o", "there", "--archive", "training.json", "--archive", "test.json"
    )
    assert result.exit_code == 0, result.output
    assert len(read_frames(str(tmp_path / "there" / "test.extxyz"))) == 2
    assert place.requests == []


def test_the_list_holds_every_name(potentials):
    result = potentials("data", "fetch", "--list")
    assert result.exit_code == 0
    for name in data_set_names():
        assert f" {name} " in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected the name of a data set"),
        (["rmd17-etanol"], 'did you mean "rmd17-ethanol"'),
        (["acac", "--archive", "missing.tar.gz"], "missing.tar.gz: no such file"),
    ],
)
def test_bad_input(potentials, place, arguments, message):
    result = potentials("data", "fetch", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr.replace("\n", " ")
    assert place.requests == []
