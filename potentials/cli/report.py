"""`potentials report`: a page that shows what a potential can do."""

from __future__ import annotations

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
    from potentials.data.label import LabelledFrame


def report(
    model: Annotated[Path, typer.Argument(help="Model file (*.potential), builtin:ethanol, or the folder of a run.")],
    data: Annotated[
        list[str] | None,
        typer.Argument(
            help="Labelled structures to hold it against: files ASE reads, globs, FILE@SLICE or builtin:NAME; a part "
            "for each. Those of its run if not given.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="The page; beside it a .json.", show_default="report.html beside the model"
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out what simulates.")] = False,
    skip: Annotated[list[str] | None, typer.Option(help="A section to leave out; may be given again.")] = None,
    energy: EnergyKey = None,
    forces: ForcesKey = None,
    stress: StressKey = None,
    energy_unit: EnergyUnitName = None,
    forces_unit: ForcesUnitName = None,
    stress_unit: StressUnitName = None,
    length_unit: LengthUnitName = None,
    group_key: GroupKey = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
) -> None:
    """Show on one page what MODEL can do and where it fails; the page needs no network.

    Keys and units of DATA are those of the data the model was trained on, unless said otherwise.
    """
    from potentials import model_file
    from potentials.analysis.evaluate import label_config
    from potentials.data.read import files_of
    from potentials.devices import choose_device
    from potentials.errors import DataError
    from potentials.report.gathering import Origin
    from potentials.report.report import check_page, write_report

    chosen = choose_device(device)
    read = files_of(data or [])
    check_page(model, output, read)
    keys = {"energy": energy, "forces": forces, "stress": stress}
    units = {"energy_unit": energy_unit, "forces_unit": forces_unit, "stress_unit": stress_unit}
    changes = {**keys, **units, "length_unit": length_unit, "group_key": group_key}
    given: dict[str, list[LabelledFrame]] = {}
    if data:
        header = model_file.read_header(Origin.of(model).model_file)
        config = label_config(header["metadata"], **changes)
        note_labels(config)
        for files in data:
            name = part_name(files)
            given[files if name in given else name] = read_and_tell(files, config, keys)
    elif any(value is not None for value in changes.values()):
        raise DataError(
            "options on labels are about DATA, but no DATA are given; those of the run are read as its configuration "
            "says"
        )
    target = write_report(
        model, output, given or None, quick=quick, skip=skip or (), device=chosen, say=console.note, files=read
    )
    console.output.print(console.path(target), soft_wrap=True)
