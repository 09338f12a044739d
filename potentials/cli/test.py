"""`potentials test`: compute the errors of a potential on labeled structures."""

# ruff: noqa: PT028 - the function `test` is a command, not a test

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from potentials.cli.terminal import console
from potentials.cli.terminal.head_option import HeadName
from potentials.cli.terminal.label_options import (
    EnergyKey,
    EnergyUnitName,
    ForcesKey,
    ForcesUnitName,
    GroupKey,
    LengthUnitName,
    StressKey,
    StressUnitName,
    note_labels,
    read_labeled_frames,
    split_name,
)

if TYPE_CHECKING:
    from potentials.evaluation.error_table import ErrorTable


def test(
    model: Annotated[Path, typer.Argument(help="Model file (*.potential), or builtin:ethanol.")],
    data: Annotated[
        list[str],
        typer.Argument(
            help="Labeled structures: files ASE reads, globs, FILE@SLICE or builtin:NAME; each argument is one row of "
            "the error table."
        ),
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
    parity: Annotated[Path | None, typer.Option(help="Write labels and predictions as CSV.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Structures per batch.")] = 16,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    head: HeadName = None,
) -> None:
    """Compute the errors of MODEL on DATA: energy, forces and stress, per element and per configuration group.

    By default, keys and units are those of the data the model was trained on.
    """
    from potentials.data.read.frames import files_of
    from potentials.evaluation.error_table import UNITS, ErrorTable
    from potentials.evaluation.evaluate import evaluate, label_config, write_parity
    from potentials.outputs import check_outputs
    from potentials.potential.devices import choose_device
    from potentials.potential.model_file import load_one

    check_outputs([output, parity], [model, *files_of(data)])
    potential = load_one(model, choose_device(device), head=head)
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
        frames = read_labeled_frames(files, config, keys)
        evaluated.append((evaluate(potential, frames, batch_size=batch_size, split=split_name(files)), frames))
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
    for split in table.splits:
        if len(split.groups) > 1:
            console.output.print(f"\n{split.split}, by group\n{table.group_text(split)}", soft_wrap=True)
        if len(split.elements) > 1:
            console.output.print(f"\n{split.split}, by element\n{table.element_text(split)}", soft_wrap=True)


def _write_json(file: Path, table: ErrorTable) -> None:
    from potentials.errors import DataError

    try:
        file.write_text(json.dumps(table.to_json(), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{file}: cannot write: {error}") from error
