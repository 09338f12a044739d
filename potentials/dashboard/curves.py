"""Curves of the selected runs: read as the files grow, thinned, and sent incrementally."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from potentials.dashboard.reading.folder import Folder
from potentials.dashboard.reading.growing_table import LARGE, GrowingTable
from potentials.dashboard.reading.runs import METRICS, STEPS, Run
from potentials.dashboard.reading.thinning import MOST_BUCKETS, ThinnedCurves

AXES = {"step": "step", "epoch": "epoch", "time": "time_s"}
"""Axes of curves, and the columns with their values."""
STEP_COLUMNS = (
    *("loss", "loss_energy", "loss_forces", "loss_stress", "learning_rate", "gradient_norm"),
    *("frames_per_s", "cpu_percent", "memory_MB", "gpu_memory_MB"),
)
METRIC_COLUMNS = (
    *("training_loss", "validation_loss", "learning_rate"),
    *("energy_per_atom_mae_meV", "energy_per_atom_rmse_meV", "forces_mae_meV_per_A", "forces_rmse_meV_per_A"),
    *("stress_mae_meV_per_A3", "stress_rmse_meV_per_A3"),
)
FILES = {"steps": (STEPS, STEP_COLUMNS), "metrics": (METRICS, METRIC_COLUMNS)}
_MOST_KEPT = 96
"""Largest number of files whose curves are cached, about 1 MB each at most."""
_SECONDS = 0.5
"""Limit of the reading time for one response in seconds; the rest is sent with the next responses."""


@dataclass(frozen=True)
class Seen:
    """State of a client: the points of a file's curves that it has received."""

    generation: int = 0
    size: int = 0
    rows: int = 0

    @classmethod
    def parse(cls, text: str) -> Seen:
        """Parse the text written by `str`; invalid text gives the state of a client without data."""
        parts = text.split(".")
        if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 16 for part in parts):
            return cls()
        return cls(*(int(part) for part in parts))

    def __str__(self) -> str:
        return f"{self.generation}.{self.size}.{self.rows}"


class FileCurves:
    """The curves of one file.

    For a long file, rows sampled over the whole file are sent first, which is fast; when the file has been read to its
    end, they are replaced by curves with all spikes.

    Args:
        folder: folder of the file.
        path: path of the file in the folder.
        columns: names of the columns to draw.
    """

    def __init__(self, folder: Folder, path: Path, columns: Sequence[str]) -> None:
        self.folder = folder
        self.path = path
        self.columns = list(columns)
        self.generation = 1
        """Incremented when all data sent before become invalid."""
        self._table = GrowingTable([*AXES.values(), *self.columns])
        self._read = self._empty()
        self._preview: ThinnedCurves | None = None

    def update(self, deadline: float) -> bool:
        """Read new rows until the deadline (`time.monotonic`); return whether the end was reached."""
        try:
            with self.folder.open(self.path) as file:
                return self._update(file, deadline)
        except OSError:
            if self._read.rows or self._preview is not None:
                self._begin()
            return True

    def _update(self, file: BinaryIO, deadline: float) -> bool:
        if self._preview is None and self._read.rows == 0 and os.fstat(file.fileno()).st_size > LARGE:
            preview = self._empty()
            self._add(preview, self._table.sample(file, MOST_BUCKETS))
            self._preview = preview
            self.generation += 1
            return False
        while time.monotonic() < deadline:
            block = self._table.read(file)
            if block.anew and self._read.rows:
                self._begin(table=self._table)
            self._add(self._read, block.values)
            if block.at_end:
                if self._preview is not None:
                    self._preview = None
                    self.generation += 1
                return True
        return False

    def news(self, axis: str, seen: Seen) -> dict[str, Any] | None:
        """Return new points for a client in the given state, and the number of earlier points that remain valid."""
        curves = self._read if self._preview is None else self._preview
        now = Seen(self.generation, curves.size, curves.rows)
        if now == seen:
            return None
        same = (seen.generation, seen.size) == (now.generation, now.size) and seen.rows <= now.rows
        first = seen.rows // now.size if same else 0
        number = list(AXES).index(axis)
        columns = {}
        for place, name in enumerate(self.columns):
            if curves.has_values(place):
                x, y = curves.points(place, number, first)
                columns[name] = [x, y.astype(np.float32)]
        return {"seen": str(now), "keep": first * curves.points_of_bucket, "columns": columns}

    def _begin(self, table: GrowingTable | None = None) -> None:
        self.generation += 1
        self._table = table or GrowingTable([*AXES.values(), *self.columns])
        self._read = self._empty()
        self._preview = None

    def _empty(self) -> ThinnedCurves:
        return ThinnedCurves(len(AXES), len(self.columns))

    @staticmethod
    def _add(curves: ThinnedCurves, values: NDArray[np.float64]) -> None:
        curves.append(values[:, : len(AXES)], values[:, len(AXES) :])


class Curves:
    """Curves of the recently requested runs.

    Args:
        folder: folder of all runs.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._kept: OrderedDict[Path, FileCurves] = OrderedDict()
        self._lock = threading.Lock()

    def news(self, asked: Sequence[tuple[Run, dict[str, Seen]]], axis: str) -> dict[str, Any]:
        """Return new points of these runs for a client in the given state for each file."""
        deadline = time.monotonic() + _SECONDS
        answer: dict[str, Any] = {}
        more = False
        with self._lock:
            for run, seen in asked:
                for kind, (name, columns) in FILES.items():
                    curves = self._curves(run.path / name, columns)
                    more |= not curves.update(deadline)
                    news = curves.news(axis, seen.get(kind, Seen()))
                    if news is not None:
                        answer.setdefault(run.key, {})[kind] = news
        return {"runs": answer, "more": more}

    def _curves(self, path: Path, columns: Sequence[str]) -> FileCurves:
        if path not in self._kept:
            self._kept[path] = FileCurves(self.folder, path, columns)
        self._kept.move_to_end(path)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return self._kept[path]
