"""Errors of ASE's readers as errors of data.

ASE's readers have no common class of errors: a damaged file can end in any of `_ERRORS`. Only calls of ASE and
reading from files belong into `reading_errors`, so that a mistake in our own code is never reported as a damaged file.
"""

from __future__ import annotations

import lzma
import sqlite3
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import ase.io
from ase.io.aims import AimsParseError
from ase.io.formats import UnknownFileTypeError, open_with_compression
from ase.io.octopus.input import OctopusParseError
from ase.io.trajectory import VersionTooOldError

from potentials.config.messages.descriptions import shortened
from potentials.errors import DataError

T = TypeVar("T")

_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    StopIteration,
    SyntaxError,  # of XML
    TypeError,
    ValueError,
    lzma.LZMAError,
    sqlite3.Error,
    struct.error,
    zlib.error,
    ase.io.ParseError,
    AimsParseError,
    OctopusParseError,
    VersionTooOldError,
    UnknownFileTypeError,
)


@contextmanager
def reading_errors(name: str) -> Iterator[None]:
    """Raise errors of ASE's readers as errors of the file.

    Args:
        name: of the file, for messages.

    Raises:
        DataError: ASE does not know the format of the file, or cannot read it.
    """
    try:
        yield
    except _ERRORS as error:
        raise _unreadable(name, error) from error


def each_read(name: str, items: Iterable[T]) -> Iterator[T]:
    """The items of one of ASE's iterators; errors are those of the file while one is fetched, not while it is used."""
    source = iter(items)
    while True:
        try:
            item = next(source)
        except StopIteration:
            return
        except _ERRORS as error:
            raise _unreadable(name, error) from error
        yield item


@contextmanager
def open_lines(name: str, path: str) -> Iterator[Iterator[str]]:
    """The lines of a text, which may be compressed.

    Raises:
        DataError: the file cannot be opened, or, where a line is fetched, read.
    """
    with reading_errors(name):
        text = open_with_compression(path, "r")
    with text:
        yield each_read(name, text)


def _unreadable(name: str, error: Exception) -> DataError:
    if isinstance(error, UnknownFileTypeError):
        return DataError(f"cannot read {name}: format not recognized by ASE ({shortened(str(error))})")
    return DataError(f"cannot read {name}; ASE reports: {shortened(f'{type(error).__name__}: {error}')}")
