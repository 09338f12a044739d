"""Messages of a run, written to the terminal and, with times, to `log.txt`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from rich.console import Console

_PIPE_WIDTH = 10_000
"""Width in columns if the output is not a terminal; rich would wrap lines at 80."""


class Journal:
    """Writes messages to the terminal and to a file. Results go to standard output, other messages to standard error.

    Args:
        file: log file, to which lines with times are appended; `None` for no file.
        show: whether to write to the terminal.
    """

    def __init__(self, file: Path | None, show: bool) -> None:
        self.file = file
        self.show = show
        terminal = sys.stderr.isatty()
        self.console = Console(
            stderr=True,
            # rich treats a file as a terminal if FORCE_COLOR is set, as some batch systems do.
            force_terminal=terminal,
            width=None if terminal else _PIPE_WIDTH,
            highlight=False,
            markup=False,
            emoji=False,
            quiet=not show,
        )
        """Console that progress displays must use during training."""

    @property
    def can_redraw(self) -> bool:
        """Whether lines can be overwritten: not in files, and not in terminals without control codes."""
        return self.show and self.console.is_terminal and not self.console.is_dumb_terminal

    def say(self, text: str) -> None:
        """Report progress."""
        self.record(text)
        self.console.print(text, soft_wrap=True)

    def note(self, text: str) -> None:
        """Report a decision and its reason."""
        self.record(f"note: {text}")
        self.console.print(f"note: {text}", style="dim", soft_wrap=True)

    def warn(self, text: str) -> None:
        """Warn of a probable mistake."""
        self.record(f"warning: {text}")
        self.console.print(f"warning: {text}", style="yellow", soft_wrap=True)

    def result(self, text: str, narrow: Callable[[int], str] | None = None) -> None:
        """Report a result.

        Args:
            text: text for the file and for outputs that are not terminals.
            narrow: function that returns the text for a terminal of a given width in columns.
        """
        self.record(text)
        if not self.show:
            return
        if narrow is not None and sys.stdout.isatty():
            text = narrow(shutil.get_terminal_size().columns)
        print(text, flush=True)

    def record(self, text: str) -> None:
        """Write a message to the file only."""
        if self.file is not None:
            time = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
            with self.file.open("a", encoding="utf-8", errors="backslashreplace") as log:
                log.writelines(f"{time}  {line}\n" for line in text.splitlines() or [""])
