from pathlib import Path

import pytest

from potentials.cache import CACHE_VARIABLE, cache_path
from potentials.files import write_shared


def test_where_it_is(monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, "/given")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_path("data") == Path("/given/data")
    monkeypatch.delenv(CACHE_VARIABLE)
    assert cache_path("data") == Path("/xdg/potentials/data")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert cache_path("data") == Path("/home/somebody/.cache/potentials/data")


def test_what_cannot_be_renamed_leaves_nothing_behind(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_shared(tmp_path / "taken", b"contents")
    assert [file.name for file in tmp_path.iterdir()] == ["taken"]
    write_shared(tmp_path / "free", b"contents")
    assert (tmp_path / "free").read_bytes() == b"contents"
