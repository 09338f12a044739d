"""`potentials report`: write an HTML report on a potential."""

from __future__ import annotations

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
    from potentials.data.label import LabeledFrame


def report(
    model: Annotated[Path, typer.Argument(help="Model file (*.potential), builtin:ethanol, or the folder of a run.")],
    data: Annotated[
        list[str] | None,
        typer.Argument(
            help="Labeled structures to evaluate: files ASE reads, globs, FILE@SLICE or builtin:NAME. By default the "
            "splits of the run.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="HTML file to write; a .json file is written beside it.",
            show_default="report.html beside the model",
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Skip sections that run simulations.")] = False,
    skip: Annotated[list[str] | None, typer.Option(help="Name of a section to skip; may be repeated.")] = None,
    energy: EnergyKey = None,
    forces: ForcesKey = None,
    stress: StressKey = None,
    energy_unit: EnergyUnitName = None,
    forces_unit: ForcesUnitName = None,
    stress_unit: StressUnitName = None,
    length_unit: LengthUnitName = None,
    group_key: GroupKey = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    head: HeadName = None,
) -> None:
    """Write an HTML report on MODEL: its errors, physical tests and limits. The page needs no network.

    By default, keys and units of DATA are those of the data the model was trained on.
    """
    from potentials.data.read.frames import files_of
    from potentials.errors import DataError
    from potentials.evaluation.evaluate import label_config
    from potentials.potential import model_file
    from potentials.potential.devices import choose_device
    from potentials.report.gathering import Origin
    from potentials.report.report import check_page, write_report

    chosen = choose_device(device)
    read = files_of(data or [])
    check_page(model, output, read)
    keys = {"energy": energy, "forces": forces, "stress": stress}
    units = {"energy_unit": energy_unit, "forces_unit": forces_unit, "stress_unit": stress_unit}
    changes = {**keys, **units, "length_unit": length_unit, "group_key": group_key}
    given: dict[str, list[LabeledFrame]] = {}
    if data:
        header = model_file.read_header(Origin.of(model).model_file)
        config = label_config({**header["metadata"], "head": head}, **changes)
        note_labels(config)
        for files in data:
            name = split_name(files)
            given[files if name in given else name] = read_labeled_frames(files, config, keys)
    elif any(value is not None for value in changes.values()):
        raise DataError(
            "options for labels require DATA; remove them, or give DATA (the labels of a run are read as its "
            "configuration specifies)"
        )
    target = write_report(
        model,
        output,
        given or None,
        quick=quick,
        skip=skip or (),
        device=chosen,
        head=head,
        say=console.note,
        files=read,
    )
    console.output.print(console.path(target), soft_wrap=True)
