"""Configurations whose data are in stores, and a cache of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from ase import Atoms

from potentials.cache import CACHE_VARIABLE
from potentials.config.run import RunConfig
from potentials.data.conversion.convert import WRITERS
from potentials.data.frames import Frame

WriteStore = Callable[[str, Sequence[Atoms]], str]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "indices"


@pytest.fixture
def write_store(tmp_path: Path) -> WriteStore:
    def write(name: str, frames: Sequence[Atoms]) -> str:
        path = tmp_path / name
        path.unlink(missing_ok=True)
        writer = WRITERS[path.suffix](path)
        for number, atoms in enumerate(frames):
            writer.add(Frame(atoms, "source", number))
        writer.close()
        return str(path)

    return write


@pytest.fixture
def lazy_config(make_config: Callable[..., RunConfig]) -> Callable[..., RunConfig]:
    def make(data: dict[str, Any], **others: Any) -> RunConfig:
        return make_config({"loading": "lazy", "batch_size": 2, **data}, {"cutoff": 3.0}, **others)

    return make
