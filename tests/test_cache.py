from pathlib import Path

from potentials.cache import CACHE_VARIABLE, cache_path


def test_where_it_is(monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, "/given")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_path("data") == Path("/given/data")
    monkeypatch.delenv(CACHE_VARIABLE)
    assert cache_path("data") == Path("/xdg/potentials/data")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert cache_path("data") == Path("/home/somebody/.cache/potentials/data")
