"""Versions of the model file: which are read, and how a file of an older one is brought to the present one.

Whoever changes the format raises `FORMAT_VERSION`, adds the release to `RELEASES`, and enters in `UPGRADERS` a function
that makes the contents of the new version from those of the one before. Files of every release stay in
`tests/model_files`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from torch import Tensor

from potentials.errors import ModelFileError

FORMAT_VERSION = 1
"""Of the files that this release writes."""
RELEASES = {1: "0.1.0"}
"""The first release of `potentials` that wrote each version."""

Header = dict[str, Any]
Tensors = dict[str, Tensor]
Upgrader = Callable[[Header, Tensors], tuple[Header, Tensors]]
"""Header and tensors of one version to those of the next. Returns new dictionaries and changes nothing in place."""

UPGRADERS: dict[int, Upgrader] = {}
"""By the version they start from."""

_LONGEST_NAME = 40


def upgrade(header: Any, tensors: Tensors) -> tuple[Any, Tensors]:
    """Bring the contents of a file to `FORMAT_VERSION`, one version after the other.

    Args:
        header: as it stands in the file; nothing about it is known.
        tensors: of the file.

    Raises:
        ModelFileError: it has no version, one that is still to come, or one that nothing is left for; or it lacks what
            files of its version hold.
    """
    while (found := _version(header)) != FORMAT_VERSION:
        if found is None or (found < FORMAT_VERSION and found not in UPGRADERS):
            raise ModelFileError(f"format version {_given(header)}, but this release reads {_readable()}")
        if found > FORMAT_VERSION:
            raise ModelFileError(
                f"format version {found}, but this release ({version('potentials')}) reads {_readable()}; "
                f"install potentials {_writer(header)}"
            )
        try:
            header, tensors = UPGRADERS[found](header, tensors)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise ModelFileError(
                f"is not a valid file of format version {found} ({type(error).__name__}: {error})"
            ) from error
        header = {**header, "format_version": found + 1}
    return header, tensors


def _version(header: Any) -> int | None:
    found = header.get("format_version") if isinstance(header, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _given(header: Any) -> str:
    found = header.get("format_version") if isinstance(header, dict) else None
    text = repr(found) if found is None or isinstance(found, str | int | float) else f"a {type(found).__name__}"
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}..."


def _readable() -> str:
    oldest = min([FORMAT_VERSION, *UPGRADERS])
    return f"version {FORMAT_VERSION}" if oldest == FORMAT_VERSION else f"versions {oldest} to {FORMAT_VERSION}"


def _writer(header: Header) -> str:
    """The release that is needed, as far as the file says which one wrote it."""
    versions = header.get("versions")
    release = versions.get("potentials") if isinstance(versions, dict) else None
    if isinstance(release, str) and release.isascii() and release.isprintable() and 0 < len(release) <= _LONGEST_NAME:
        return f"{release}, which wrote the file, or a newer one"
    return "in a newer release"
