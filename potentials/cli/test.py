"""`potentials test`: the errors of a potential on labelled structures."""

# ruff: noqa: PT028 - the function `test` is a command, not a test

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from potentials.cli import console

if TYPE_CHECKING:
    from potentials.config import DataConfig
    from potentials.training.error_table import ErrorTable


def test(
    model: Annotated[Path, typer.Argument(help="Model file (*.potential), or builtin:ethanol.")],
    data: Annotated[
        list[str],
        typer.Argument(help="Labelled structures: files ASE reads, globs, FILE@SLICE or builtin:NAME; a row for each."),
    ],
    energy: Annotated[str | None, typer.Option(help="Key of the energy, if not that of the training data.")] = None,
    forces: Annotated[str | None, typer.Option(help="Key of the forces.")] = None,
    stress: Annotated[str | None, typer.Option(help="Key of the stress.")] = None,
    energy_unit: Annotated[str | None, typer.Option(help="eV, meV, Ha, Ry, kcal/mol or kJ/mol.")] = None,
    forces_unit: Annotated[str | None, typer.Option(help="Such as eV/A or Ha/Bohr.")] = None,
    stress_unit: Annotated[str | None, typer.Option(help="Such as eV/A^3, GPa or kbar.")] = None,
    length_unit: Annotated[str | None, typer.Option(help="A, Bohr or nm.")] = None,
    group_key: Annotated[str | None, typer.Option(help="Entry of the frames that names their group.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write all errors as JSON.")] = None,
    parity: Annotated[Path | None, typer.Option(help="Write labels and predictions side by side as CSV.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Structures computed at once.")] = 16,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
) -> None:
    """Compare MODEL with the labels of DATA: errors of energy, forces and stress, per element and per group.

    Keys and units are those of the data the model was trained on, unless said otherwise.
    """
    from potentials.analysis.evaluate import evaluate, label_config, read_labelled, write_parity
    from potentials.data.findings import Findings
    from potentials.devices import choose_device
    from potentials.model_file import load
    from potentials.training.error_table import UNITS, ErrorTable

    potential = load(model, device=choose_device(device))
    keys = {"energy": energy, "forces": forces, "stress": stress}
    config = label_config(
        potential.metadata,
        **keys,
        energy_unit=energy_unit,
        forces_unit=forces_unit,
        stress_unit=stress_unit,
        length_unit=length_unit,
        group_key=group_key,
    )
    console.note(f"labels: {_labels(config)}")
    asked = [name for name, key in keys.items() if key is not None]
    evaluated = []
    for files in data:
        findings = Findings()
        frames = read_labelled(files, config, asked, findings)
        for text in findings.notes:
            console.note(text)
        for text in findings.warnings:
            console.warn(text)
        evaluated.append((evaluate(potential, frames, batch_size=batch_size, part=_part(files)), frames))
    table = ErrorTable([evaluation.errors for evaluation, _ in evaluated])
    if output is not None:
        _write_json(output, table)
    if parity is not None:
        write_parity(parity, evaluated)
    console.output.print(UNITS, soft_wrap=True)
    console.output.print(table.text(), soft_wrap=True)
    _print_details(table)
    for file in (output, parity):
        if file is not None:
            console.output.print(console.path(file), soft_wrap=True)


def _print_details(table: ErrorTable) -> None:
    for part in table.parts:
        if len(part.groups) > 1:
            console.output.print(f"\n{part.part}, by group\n{table.group_text(part)}", soft_wrap=True)
        if len(part.elements) > 1:
            console.output.print(f"\n{part.part}, by element\n{table.element_text(part)}", soft_wrap=True)


def _write_json(file: Path, table: ErrorTable) -> None:
    from potentials.errors import DataError

    try:
        file.write_text(json.dumps(table.to_json(), indent=1) + "\n")
    except OSError as error:
        raise DataError(f"{file}: cannot write: {error}") from error


def _part(files: str) -> str:
    return files if files.startswith("builtin:") else Path(files).name


def _labels(config: DataConfig) -> str:
    labels = {"energy": config.energy, "forces": config.forces, "stress": config.stress, "virial": config.virial}
    return ", ".join(f"{name} = {label.key} in {label.unit}" for name, label in labels.items() if label is not None)
