"""The data sets shipped with the package, each an extended XYZ file with a card that says how it was computed.

`scripts/make_builtin_data.py` generates both files; configurations name them `builtin:ethanol` and `builtin:copper`.
"""

from __future__ import annotations

import difflib
from importlib import resources
from pathlib import Path

from potentials.errors import DataError

BUILTIN_NAMES: tuple[str, ...] = ("copper", "ethanol")


def builtin_path(name: str) -> Path:
    """The file of the built-in data set `name` (without the prefix `builtin:`), readable by `ase.io.read`.

    Raises:
        DataError: there is no data set of that name.
    """
    return _shipped_file(name, "extxyz.gz")


def builtin_card(name: str) -> str:
    """The card of the built-in data set `name` (Markdown): level of theory, protocol, counts, ranges, licence.

    Raises:
        DataError: there is no data set of that name.
    """
    return _shipped_file(name, "md").read_text(encoding="utf-8")


def _shipped_file(name: str, suffix: str) -> Path:
    if name not in BUILTIN_NAMES:
        nearest = difflib.get_close_matches(name.lower(), BUILTIN_NAMES, n=1, cutoff=0.5)
        suggestion = f'; did you mean "{nearest[0]}"?' if nearest else ""
        raise DataError(f'no built-in data set "{name}" (there are: {", ".join(BUILTIN_NAMES)}){suggestion}')
    return Path(str(resources.files(__name__) / f"{name}.{suffix}"))
