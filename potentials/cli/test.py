"""`potentials test`: the errors of a potential on labelled structures."""

# ruff: noqa: PT028 - the function `test` is a command, not a test

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from potentials.cli import console
from potentials.cli.label_options import (
    EnergyKey,
    EnergyUnitName,
    ForcesKey,
    ForcesUnitName,
    GroupKey,
    LengthUnitName,
    StressKey,
    StressUnitName,
    note_labels,
    part_name,
    read_and_tell,
)

if TYPE_CHECKING:
    from potentials.training.error_table import ErrorTable


def test(
    model: Annotated[Path, typer.Argument(help="Model file (*.potential), or builtin:ethanol.")],
    data: Annotated[
        list[str],
        typer.Argument(help="Labelled structures: files ASE reads, globs, FILE@SLICE or builtin:NAME; a row for each."),
    ],
    energy: EnergyKey = None,
    forces: ForcesKey = None,
    stress: StressKey = None,
    energy_unit: EnergyUnitName = None,
    forces_unit: ForcesUnitName = None,
    stress_unit: StressUnitName = None,
    length_unit: LengthUnitName = None,
    group_key: GroupKey = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write all errors as JSON.")] = None,
    parity: Annotated[Path | None, typer.Option(help="Write labels and predictions side by side as CSV.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Structures computed at once.")] = 16,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
) -> None:
    """Compare MODEL with the labels of DATA: errors of energy, forces and stress, per element and per group.

    Keys and units are those of the data the model was trained on, unless said otherwise.
    """
    from potentials.analysis.evaluate import evaluate, label_config, write_parity
    from potentials.data.read import files_of
    from potentials.devices import choose_device
    from potentials.model_file import load
    from potentials.outputs import check_outputs
    from potentials.training.error_table import UNITS, ErrorTable

    check_outputs([output, parity], [model, *files_of(data)])
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
    note_labels(config)
    evaluated = []
    for files in data:
        frames = read_and_tell(files, config, keys)
        evaluated.append((evaluate(potential, frames, batch_size=batch_size, part=part_name(files)), frames))
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
        file.write_text(json.dumps(table.to_json(), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{file}: cannot write: {error}") from error
