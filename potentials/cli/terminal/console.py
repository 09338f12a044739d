"""Printing: results go to standard output; notes, warnings, errors and progress to standard error."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.table import Table

from potentials.durations import format_duration

PIPE_WIDTH = 140
"""Width where the output is not a terminal: rich would wrap log files at 80 columns."""


def _console(stream: TextIO, *, stderr: bool) -> Console:
    return Console(stderr=stderr, highlight=False, markup=False, width=None if stream.isatty() else PIPE_WIDTH)


output = _console(sys.stdout, stderr=False)
"""Results. Text is printed unchanged: square brackets are not markup."""
messages = _console(sys.stderr, stderr=True)
"""Notes, warnings, errors and progress, separate from results so that these can be piped."""


def note(text: str) -> None:
    """Print a decision or observation of interest to the user."""
    messages.print(f"note: {text}", style="dim", soft_wrap=True)


def warn(text: str) -> None:
    """Print a warning: something is probably not intended."""
    messages.print(f"warning: {text}", style="yellow", soft_wrap=True)


def error(text: str) -> None:
    """Print the error that ends the command."""
    messages.print(f"error: {text}", style="bold red", soft_wrap=True)


def print_file(text: str) -> None:
    """Print the contents of a file in UTF-8, whatever the encoding of the terminal."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode(errors="backslashreplace"))
    sys.stdout.buffer.flush()


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Create a table whose first column is left-aligned text and whose other columns are right-aligned numbers."""
    result = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for index, column in enumerate(columns):
        result.add_column(column, justify="left" if index == 0 else "right", no_wrap=True)
    for row in rows:
        result.add_row(*row)
    return result


def key_values(rows: Iterable[tuple[str, str]]) -> Table:
    """Create a table of names and values without borders."""
    result = Table.grid(padding=(0, 2))
    result.add_column(style="bold", no_wrap=True)
    result.add_column(overflow="fold")
    for name, value in rows:
        result.add_row(name, value)
    return result


def number(value: float, digits: int = 3) -> str:
    """Format `value` with `digits` significant digits; `-` for NaN."""
    if math.isnan(value):
        return "-"
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    if decimals > digits + 3:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{max(decimals, 0)}f}"


def milli(value: float, digits: int = 3) -> str:
    """Format `value` times a thousand: an energy in eV as meV, a force in eV/A as meV/A."""
    return number(1e3 * value, digits)


def duration(seconds: float) -> str:
    """Format a duration as `2h 5m`, `45s`, `0.37 s` or `12.3 ms`, rounded."""
    if seconds < 1:
        return f"{number(1e3 * seconds)} ms"
    if seconds < 10:
        return f"{number(seconds)} s"
    rounded = round(seconds) if seconds < 3600 else 60 * round(seconds / 60)
    return format_duration(timedelta(seconds=rounded))


def size(num_bytes: float) -> str:
    """Format bytes as `312 kB`, `1.24 MB` or `3.1 GB` (powers of ten)."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if num_bytes >= factor:
            return f"{number(num_bytes / factor)} {unit}"
    return f"{num_bytes:.0f} B"


def path(value: Path | str) -> str:
    """Format a path: relative if it is inside the current folder, absolute otherwise."""
    resolved = Path(value).resolve()
    here = Path.cwd()
    return str(resolved.relative_to(here)) if resolved.is_relative_to(here) else str(resolved)
