"""Error tables: errors of a potential on each set of the data, as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from potentials.evaluation.metrics import Error, PropertyErrors
from potentials.evaluation.symmetry import ORIENTATIONS, RotationError

UNITS = "energy meV/atom, forces meV/A per component, stress meV/A^3 per component (1 GPa = 6.24 meV/A^3)"
_COLUMNS = (("energy", "energy_per_atom"), ("forces", "forces"), ("stress", "stress"))


@dataclass(frozen=True)
class SplitErrors:
    """Errors on one set of frames, such as the validation set or a test set."""

    split: str
    frames: int
    atoms: int
    errors: PropertyErrors
    elements: dict[str, Error] = field(default_factory=dict)
    """Errors of the forces, by element of the atoms."""
    groups: dict[str, PropertyErrors] = field(default_factory=dict)
    """Errors by configuration group."""
    heads: dict[str, PropertyErrors] = field(default_factory=dict)
    """Errors by head (level of theory); empty for potentials with one head."""
    sample_of: int | None = None
    """Number of frames of the set, if these are a sample of them."""
    rotation: RotationError | None = None
    """Of these frames; `None` for exactly symmetric families."""


@dataclass(frozen=True)
class ErrorTable:
    """Errors of one potential on several sets of frames."""

    splits: list[SplitErrors]

    def text(self, width: int | None = None) -> str:
        """Format one line per set with MAE and RMSE of each labeled property, in `UNITS`; below it one for each head.

        For families of approximate symmetry, errors under rotations follow.

        Args:
            width: maximum number of columns; if exceeded, there is one line per set and property.
        """
        rows = []
        for split in self.splits:
            rows.append((_name(split), str(split.frames), split.errors))
            rows += [(f"  {name}", "", errors) for name, errors in split.heads.items()]
        rotated = [_rotation_text(split.split, split.rotation) for split in self.splits if split.rotation is not None]
        table = _text("split", "frames", rows)
        if width is not None and max(map(len, table.splitlines())) > width:
            table = _tall_text(rows)
        return "\n".join([table, *rotated])

    def group_text(self, split: SplitErrors) -> str:
        """Format one line per configuration group of a set."""
        return _text("group", None, [(name, "", errors) for name, errors in split.groups.items()])

    def element_text(self, split: SplitErrors) -> str:
        """Format one line per element of a set, with the errors of the forces on its atoms."""
        rows = [[symbol, milli(error.mae), milli(error.rmse)] for symbol, error in split.elements.items()]
        return align([["element", "forces MAE", "RMSE"], *rows])

    def to_json(self) -> dict[str, Any]:
        """Return all errors in eV, eV/atom, eV/A and eV/A^3; null without labels."""
        return {
            "units": {"energy": "eV", "energy_per_atom": "eV", "forces": "eV/A", "stress": "eV/A^3"},
            "splits": [asdict(split) for split in self.splits],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ErrorTable:
        """Restore a table from the result of `to_json`."""
        return cls([_split_from_json(split) for split in data["splits"]])


def align(rows: Sequence[Sequence[str]]) -> str:
    """Format rows as aligned lines: the first column left-aligned, the others right-aligned."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _name(split: SplitErrors) -> str:
    return split.split if split.sample_of is None else f"{split.split} (sample of {split.sample_of})"


def _text(head: str, count: str | None, rows: Sequence[tuple[str, str, PropertyErrors]]) -> str:
    measured = [
        (title, name) for title, name in _COLUMNS if any(getattr(errors, name) is not None for _, _, errors in rows)
    ]
    counted = [] if count is None else [count]
    lines = [[head, *counted, *(cell for title, _ in measured for cell in (f"{title} MAE", "RMSE"))]]
    for label, number, errors in rows:
        figures = [getattr(errors, name) for _, name in measured]
        cells = [cell for error in figures for cell in _cells(error)]
        lines.append([label, *([] if count is None else [number]), *cells])
    return align(lines)


def _tall_text(rows: Sequence[tuple[str, str, PropertyErrors]]) -> str:
    """Format one line per row and property, in fewer columns."""
    lines = [["", "", "", "MAE", "RMSE"]]
    for label, number, errors in rows:
        measured = [(title, getattr(errors, name)) for title, name in _COLUMNS if getattr(errors, name) is not None]
        for index, (title, error) in enumerate(measured or [("", None)]):
            lines.append([*((label, number) if index == 0 else ("", "")), title, *_cells(error)])
    return align(lines)


def _cells(error: Error | None) -> tuple[str, str]:
    return ("-", "-") if error is None else (milli(error.mae), milli(error.rmse))


def _rotation_text(split: str, error: RotationError) -> str:
    return (
        f"{split}: rotating and mirroring the frames changes energies by {milli(error.energy_per_atom)} meV/atom, "
        f"forces by {milli(error.forces)} meV/A (RMS; {error.frames} frames in {ORIENTATIONS} orientations each)"
    )


def milli(value: float) -> str:
    """Format `value` times 1000 with three significant digits, and at least one decimal if it is below 1000."""
    scaled = 1e3 * value
    decimals = 3 if scaled < 1 else 2 if scaled < 10 else 1 if scaled < 1000 else 0
    return f"{scaled:.{decimals}f}"


def _split_from_json(data: dict[str, Any]) -> SplitErrors:
    return SplitErrors(
        split=data["split"],
        frames=data["frames"],
        atoms=data["atoms"],
        errors=PropertyErrors.from_dict(data["errors"]),
        elements={symbol: Error(**error) for symbol, error in data["elements"].items()},
        groups={name: PropertyErrors.from_dict(errors) for name, errors in data["groups"].items()},
        heads={name: PropertyErrors.from_dict(errors) for name, errors in data.get("heads", {}).items()},
        sample_of=data.get("sample_of"),
        rotation=None if data.get("rotation") is None else RotationError(**data["rotation"]),
    )
