"""Versions of the model file format, and upgrades of files of older versions.

To change the format, raise `FORMAT_VERSION`, add the release to `RELEASES`, and add to `UPGRADERS` a function that
converts the contents from the previous version to the new one. Files of every release are kept in `tests/model_files`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from torch import Tensor

from potentials.errors import ModelFileError

FORMAT_VERSION = 1
"""Format version of the files that this release writes."""
RELEASES = {1: "0.1.0"}
"""The first release of `potentials` that wrote each version."""

Header = dict[str, Any]
Tensors = dict[str, Tensor]
Upgrader = Callable[[Header, Tensors], tuple[Header, Tensors]]
"""Function from header and tensors of one version to those of the next. It returns new dictionaries."""

UPGRADERS: dict[int, Upgrader] = {}
"""Upgraders by the version they start from."""

_LONGEST_NAME = 40


def upgrade(header: Any, tensors: Tensors) -> tuple[Any, Tensors]:
    """Upgrade the contents of a file to `FORMAT_VERSION`, version by version.

    Args:
        header: unchecked header of the file.
        tensors: tensors of the file.

    Raises:
        ModelFileError: the version is missing, newer than `FORMAT_VERSION` or no longer supported; or the file is not
            valid for its version.
    """
    while (found := _version(header)) != FORMAT_VERSION:
        if found is None or (found < FORMAT_VERSION and found not in UPGRADERS):
            if _recorded(header) is None:
                raise ModelFileError(f"the header has no format version; this release reads {_readable()}")
            raise ModelFileError(f"format version {_given(header)}, but this release reads {_readable()}")
        if found > FORMAT_VERSION:
            raise ModelFileError(
                f"format version {found}, but this release ({version('potentials')}) reads {_readable()}; "
                f"install {_required_release(header)}"
            )
        try:
            header, tensors = UPGRADERS[found](header, tensors)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise ModelFileError(
                f"not a valid file of format version {found} ({type(error).__name__}: {error})"
            ) from error
        header = {**header, "format_version": found + 1}
    return header, tensors


def _recorded(header: Any) -> Any:
    return header.get("format_version") if isinstance(header, dict) else None


def _version(header: Any) -> int | None:
    found = _recorded(header)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _given(header: Any) -> str:
    found = _recorded(header)
    text = repr(found) if isinstance(found, str | int | float) else f"a {type(found).__name__}"
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}..."


def _readable() -> str:
    oldest = min([FORMAT_VERSION, *UPGRADERS])
    return f"version {FORMAT_VERSION}" if oldest == FORMAT_VERSION else f"versions {oldest} to {FORMAT_VERSION}"


def _required_release(header: Header) -> str:
    """Describe the release needed to read the file, from the release that wrote it if known."""
    versions = header.get("versions")
    release = versions.get("potentials") if isinstance(versions, dict) else None
    if isinstance(release, str) and release.isascii() and release.isprintable() and 0 < len(release) <= _LONGEST_NAME:
        return f"potentials {release}, which wrote the file, or a newer release"
    return "a newer release of potentials"
