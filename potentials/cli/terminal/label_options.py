"""Options of the commands that read labeled structures for a potential, and the function that reads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from potentials.cli.terminal import console

if TYPE_CHECKING:
    from potentials.config import DataConfig
    from potentials.data.label import LabeledFrame

EnergyKey = Annotated[str | None, typer.Option(help="Key of the energy; by default that of the training data.")]
ForcesKey = Annotated[str | None, typer.Option(help="Key of the forces; by default that of the training data.")]
StressKey = Annotated[str | None, typer.Option(help="Key of the stress; by default that of the training data.")]
EnergyUnitName = Annotated[str | None, typer.Option(help="Unit of the energy: eV, meV, Ha, Ry, kcal/mol or kJ/mol.")]
ForcesUnitName = Annotated[str | None, typer.Option(help="Unit of the forces, such as eV/A or Ha/Bohr.")]
StressUnitName = Annotated[str | None, typer.Option(help="Unit of the stress, such as eV/A^3, GPa or kbar.")]
LengthUnitName = Annotated[str | None, typer.Option(help="Unit of positions and cells: A, Bohr or nm.")]
GroupKey = Annotated[str | None, typer.Option(help="Entry of the frames that names the configuration group.")]


def note_labels(config: DataConfig) -> None:
    """Print the keys and units of the labels."""
    labels = {"energy": config.energy, "forces": config.forces, "stress": config.stress, "virial": config.virial}
    known = [f'{name} from "{label.key}" ({label.unit})' for name, label in labels.items() if label is not None]
    console.note(f"labels: {', '.join(known)}")


def read_labeled_frames(files: str, config: DataConfig, required_keys: Mapping[str, str | None]) -> list[LabeledFrame]:
    """Read frames with their labels, and print notes and warnings.

    Args:
        files: as given to the command.
        config: keys and units of the labels.
        required_keys: keys given by the user for `energy`, `forces` and `stress`; it is an error if no frame has them.
    """
    from potentials.data.findings import Findings
    from potentials.evaluation.evaluate import read_labeled

    findings = Findings()
    required = [name for name, key in required_keys.items() if key is not None]
    frames = read_labeled(files, config, required, findings)
    for text in findings.notes:
        console.note(text)
    for text in findings.warnings:
        console.warn(text)
    return frames


def split_name(files: str) -> str:
    """Return the name of the structures of an argument in tables: the name of the file."""
    return files if files.startswith("builtin:") else Path(files).name
