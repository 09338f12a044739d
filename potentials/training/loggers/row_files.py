"""CSV files to which a run adds rows, and from which those that no longer count are dropped when it is continued."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from potentials.files import write_text

Row = Mapping[str, float | int | None]


class RowFile:
    """A CSV file of rows that each have a `step`.

    Args:
        path: made with the first row.
        columns: names of all cells of a row.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path = path
        self.columns = list(columns)

    def append(self, row: Row) -> None:
        """Add a row, whole: in one write, so that whoever reads meanwhile sees no half of it."""
        text = self._line(row)
        with self.path.open("a", newline="", encoding="utf-8") as file:
            file.write(text if file.tell() else ",".join(self.columns) + "\n" + text)

    def keep_until(self, step: int) -> int:
        """Drop the rows beyond a step, and those that were not written to their end.

        Returns:
            The last step that had a row before; 0 without any.
        """
        if not self.path.is_file():
            return 0
        rows = self._whole_rows()
        kept = io.StringIO()
        writer = csv.DictWriter(kept, self.columns, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(row for row in rows if int(row["step"]) <= step)
        write_text(self.path, kept.getvalue())
        return max((int(row["step"]) for row in rows), default=0)

    def rows(self) -> list[dict[str, float | int | None]]:
        """All rows; what was not measured is `None`."""
        if not self.path.is_file():
            return []
        return [{name: _number(text) for name, text in row.items()} for row in self._whole_rows()]

    def _whole_rows(self) -> list[dict[str, str]]:
        text = self.path.read_text(encoding="utf-8", errors="replace")
        # The last line of a file that was cut off has no end.
        lines = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return [row for row in csv.DictReader(lines) if self._is_whole(row)]

    def _is_whole(self, row: Mapping[str | None, str | None]) -> bool:
        """Whether it has a cell for each column, and its step is a number: a full disk or a kill cuts rows off."""
        step = row.get("step")
        return None not in row.values() and None not in row and step is not None and step.isdigit()

    def _line(self, row: Row) -> str:
        text = io.StringIO()
        csv.DictWriter(text, self.columns, lineterminator="\n").writerow(row)
        return text.getvalue()


def _number(text: str) -> float | int | None:
    if not text:
        return None
    return int(text) if text.isdigit() else float(text)
