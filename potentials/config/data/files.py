"""Files with structures, as named in a configuration."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from potentials.config.base import StrictConfig
from potentials.config.messages.descriptions import Description

FileName = Annotated[str, Field(min_length=1), Description("a file name", "file names")]
Files = FileName | Annotated[list[FileName], Field(min_length=1)]
"""A path, a glob, or `path@slice` in ASE's syntax, relative to the folder of the configuration."""
HeadName = Annotated[
    str, Field(pattern=r"^\w[\w.+-]*$"), Description("a name of letters, digits and . _ + -", "names of heads")
]


class FileOfHead(StrictConfig):
    """A file whose frames belong to a head (level of theory)."""

    file: FileName
    """A path, a glob, `path@slice`, or `builtin:NAME`."""
    head: HeadName
    """Name of the head."""


ListedFile = Annotated[FileName | FileOfHead, Description("a file name", "file names")]
NamedFiles = FileName | Annotated[list[ListedFile], Field(min_length=1)]
"""Files as a configuration names them; with several heads, each with its head."""


def files_of_head(files: NamedFiles, head: str) -> Files | None:
    """Return the files of a head; None if there are none."""
    chosen = [entry.file for entry in files if isinstance(entry, FileOfHead) and entry.head == head]
    return chosen or None


def head_names(files: object) -> list[str]:
    """Return the names of heads in a list of files of heads, in order of appearance; also before validation."""
    entries = files if isinstance(files, list) else []
    names = [entry.get("head") if isinstance(entry, dict) else getattr(entry, "head", None) for entry in entries]
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))


def plain_files(files: NamedFiles) -> Files:
    """Return files that belong to no head.

    Raises:
        TypeError: they belong to heads; `DataConfig.of_head` gives the files of one.
    """
    if isinstance(files, str):
        return files
    names = [name for name in files if isinstance(name, str)]
    if len(names) < len(files):
        raise TypeError("expected files of one head")
    return names
