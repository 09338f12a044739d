"""Paths of data files in a configuration, which are relative to the folder of the configuration file."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Any

from potentials.config.data import DataConfig
from potentials.config.data.files import FileOfHead
from potentials.config.starting import FineTuneConfig

BUILTIN = "builtin:"


def resolve_data_paths(data: DataConfig, folder: Path) -> DataConfig:
    """Return the section with absolute paths; `builtin:NAME`, globs and `@slice` are kept.

    Args:
        data: the section.
        folder: absolute folder that relative paths start from.
    """
    names = ("train", "validation", "test", "isolated_atoms")
    changes = {name: _resolve(getattr(data, name), folder) for name in names}
    heads = {
        name: head.model_copy(update={"isolated_atoms": _resolve(head.isolated_atoms, folder)})
        for name, head in data.heads.items()
    }
    return data.model_copy(update={**changes, "heads": heads})


def resolve_replay_paths(fine_tune: FineTuneConfig, folder: Path) -> FineTuneConfig:
    """Return the section `fine_tune` with absolute paths; arguments as in `resolve_data_paths`."""
    if fine_tune.replay is None:
        return fine_tune
    files = {name: _resolve(getattr(fine_tune.replay, name), folder) for name in ("files", "structures")}
    return fine_tune.model_copy(update={"replay": fine_tune.replay.model_copy(update=files)})


def _resolve(files: Any, folder: Path) -> Any:
    if isinstance(files, str):
        return _resolve_name(files, folder)
    if isinstance(files, FileOfHead):
        return files.model_copy(update={"file": _resolve_name(files.file, folder)})
    if isinstance(files, list):
        return [_resolve(entry, folder) for entry in files]
    if isinstance(files, dict):
        return {name: _resolve(inner, folder) for name, inner in files.items()}
    return files  # a number of frames, a fraction, or nothing


def _resolve_name(name: str, folder: Path) -> str:
    if name.startswith(BUILTIN):
        return name
    path = Path(name)
    if name.startswith("~"):
        path = from_home(path)
    while path.parts[:1] == ("..",):
        path, folder = Path(*path.parts[1:]), folder.parent
    if path.is_absolute():
        return str(path)
    # Brackets in the name of the folder must not be read as part of the glob pattern.
    start = glob.escape(str(folder)) if glob.has_magic(name) else str(folder)
    return str(Path(start) / path)


def from_home(path: Path) -> Path:
    """Expand an initial `~` or `~user`, if there is such a user."""
    try:
        return path.expanduser()
    except RuntimeError:  # no such user: then it is a file whose name starts with ~
        return path
