"""The data sets shipped with the package, each an extended XYZ file with a card on how it was computed, and a potential
trained on one of them.

`scripts/make_builtin_data.py` generates the files; configurations name them `builtin:ethanol`,
`builtin:ethanol-distorted` and `builtin:copper`.
`scripts/make_builtin_model.py` makes the model file; commands take it as `builtin:ethanol`.
"""

from __future__ import annotations

import difflib
from importlib import resources
from pathlib import Path

from potentials.errors import DataError, ModelFileError

BUILTIN_PREFIX = "builtin:"
BUILTIN_NAMES: tuple[str, ...] = ("copper", "ethanol", "ethanol-distorted")
BUILTIN_MODELS: tuple[str, ...] = ("ethanol",)


def builtin_path(name: str) -> Path:
    """Return the path of the built-in data set `name` (without the prefix `builtin:`), readable by `ase.io.read`.

    Raises:
        DataError: there is no data set of that name.
    """
    return _shipped_file(name, "extxyz.gz")


def builtin_card(name: str) -> str:
    """Return the card of the built-in data set `name` (Markdown): level of theory, protocol, counts, ranges, license.

    Raises:
        DataError: there is no data set of that name.
    """
    return _shipped_file(name, "md").read_text(encoding="utf-8")


def builtin_model_path(name: str) -> Path:
    """Return the path of the model file of the built-in potential `name` (without the prefix `builtin:`).

    Raises:
        ModelFileError: there is no potential of that name.
    """
    if name not in BUILTIN_MODELS:
        known = ", ".join(f"{BUILTIN_PREFIX}{model}" for model in BUILTIN_MODELS)
        raise ModelFileError(f'no built-in potential "{name}"; available: {known}{_suggestion(name, BUILTIN_MODELS)}')
    return Path(str(resources.files(__name__) / f"{name}.potential"))


def _suggestion(name: str, known: tuple[str, ...]) -> str:
    nearest = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    return f'; did you mean "{nearest[0]}"?' if nearest else ""


def _shipped_file(name: str, suffix: str) -> Path:
    if name not in BUILTIN_NAMES:
        suggestion = _suggestion(name, BUILTIN_NAMES)
        raise DataError(f'no built-in data set "{name}" (available: {", ".join(BUILTIN_NAMES)}){suggestion}')
    return Path(str(resources.files(__name__) / f"{name}.{suffix}"))
