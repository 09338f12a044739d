"""CSV files to which a run appends rows. Rows after the last checkpoint are removed when the run is continued."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from potentials.files import write_whole

Row = Mapping[str, float | int | None]


class RowFile:
    """A CSV file whose rows each have a `step`.

    Args:
        path: the file, created with the first row.
        columns: names of the columns.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path = path
        self.columns = list(columns)

    def append(self, row: Row) -> None:
        """Append a row in a single write, so that a concurrent reader never sees part of it."""
        text = self._line(row)
        with self.path.open("a", newline="", encoding="utf-8") as file:
            file.write(text if file.tell() else ",".join(self.columns) + "\n" + text)

    def begin(self) -> None:
        """Create the file again without rows."""
        with self.path.open("w", newline="", encoding="utf-8") as file:
            file.write(",".join(self.columns) + "\n")

    def keep_until(self, step: int) -> int:
        """Remove rows beyond a step and rows that were not written completely.

        Rows are copied one by one, because there may be millions.

        Returns:
            The last step that had a row before; 0 if there were none.
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
        """Yield all rows in order; missing values are `None`."""
        if self.path.is_file():
            for row in self._whole_rows():
                yield {name: _number(text) for name, text in row.items()}

    def _whole_rows(self) -> Iterator[dict[str, str]]:
        with self.path.open(newline="\n", encoding="utf-8", errors="replace") as file:
            # The last line of a truncated file has no newline.
            whole = (line for line in file if line.endswith("\n"))
            yield from (row for row in csv.DictReader(whole) if self._is_whole(row))

    def _is_whole(self, row: Mapping[str | None, str | None]) -> bool:
        """Check that a row has a cell for each column and an integer step: a full disk or a kill may truncate rows."""
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
