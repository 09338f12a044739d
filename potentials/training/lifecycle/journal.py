"""What a run says: to the terminal, and with times to `log.txt`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from rich.console import Console

_PIPE_WIDTH = 10_000
"""Columns where the output is not a terminal: rich would wrap lines at 80."""


class Journal:
    """Says everything twice. Results go to standard output, everything said on the way to standard error.

    Args:
        file: lines are appended to it, each with its time; `None` keeps no file.
        show: whether the terminal is told too.
    """

    def __init__(self, file: Path | None, show: bool) -> None:
        self.file = file
        self.show = show
        terminal = sys.stderr.isatty()
        self.console = Console(
            stderr=True,
            # rich takes a file for a terminal where FORCE_COLOR is set, as some batch systems do.
            force_terminal=terminal,
            width=None if terminal else _PIPE_WIDTH,
            highlight=False,
            markup=False,
            emoji=False,
            quiet=not show,
        )
        """Whatever draws on the terminal while training must use this one."""

    @property
    def can_redraw(self) -> bool:
        """Whether lines of the terminal may be written over: not in files, and not in terminals without codes."""
        return self.show and self.console.is_terminal and not self.console.is_dumb_terminal

    def say(self, text: str) -> None:
        """Tell what happens."""
        self.record(text)
        self.console.print(text, soft_wrap=True)

    def note(self, text: str) -> None:
        """Tell what was decided, and why."""
        self.record(f"note: {text}")
        self.console.print(f"note: {text}", style="dim", soft_wrap=True)

    def warn(self, text: str) -> None:
        """Tell of something that is probably not meant."""
        self.record(f"warning: {text}")
        self.console.print(f"warning: {text}", style="yellow", soft_wrap=True)

    def result(self, text: str, narrow: Callable[[int], str] | None = None) -> None:
        """Tell a result.

        Args:
            text: for the file, and for whatever is no terminal.
            narrow: the same for a terminal of so many columns.
        """
        self.record(text)
        if not self.show:
            return
        if narrow is not None and sys.stdout.isatty():
            text = narrow(shutil.get_terminal_size().columns)
        print(text, flush=True)

    def record(self, text: str) -> None:
        """Write into the file only."""
        if self.file is not None:
            time = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
            with self.file.open("a", encoding="utf-8", errors="backslashreplace") as log:
                log.writelines(f"{time}  {line}\n" for line in text.splitlines() or [""])
