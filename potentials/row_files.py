"""CSV files to which a run adds rows, and from which those that no longer count are dropped when it is continued."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from potentials.files import write_whole

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

    def begin(self) -> None:
        """Make the file anew, without any row."""
        with self.path.open("w", newline="", encoding="utf-8") as file:
            file.write(",".join(self.columns) + "\n")

    def keep_until(self, step: int) -> int:
        """Drop the rows beyond a step, and those that were not written to their end.

        Rows go from file to file one by one, for there may be millions.

        Returns:
            The last step that had a row before; 0 without any.
        """
        if not self.path.is_file():
            return 0
        last = 0

        def kept() -> Iterator[bytes]:
            nonlocal last
            yield self._line(dict(zip(self.columns, self.columns, strict=True))).encode()
            for row in self._whole_rows():
                last = max(last, int(row["step"]))
                if int(row["step"]) <= step:
                    yield self._line({name: row.get(name) for name in self.columns}).encode()

        write_whole(self.path, kept())
        return last

    def rows(self) -> Iterator[dict[str, float | int | None]]:
        """All rows, one by one; what was not measured is `None`."""
        if self.path.is_file():
            for row in self._whole_rows():
                yield {name: _number(text) for name, text in row.items()}

    def _whole_rows(self) -> Iterator[dict[str, str]]:
        with self.path.open(newline="\n", encoding="utf-8", errors="replace") as file:
            # The last line of a file that was cut off has no end.
            whole = (line for line in file if line.endswith("\n"))
            yield from (row for row in csv.DictReader(whole) if self._is_whole(row))

    def _is_whole(self, row: Mapping[str | None, str | None]) -> bool:
        """Whether it has a cell for each column, and its step is a number: a full disk or a kill cuts rows off."""
        step = row.get("step")
        return None not in row.values() and None not in row and step is not None and step.isdigit()

    def _line(self, row: Mapping[str, float | int | str | None]) -> str:
        text = io.StringIO()
        csv.DictWriter(text, self.columns, lineterminator="\n").writerow(row)
        return text.getvalue()


def _number(text: str) -> float | int | None:
    if not text:
        return None
    return int(text) if text.isdigit() else float(text)
