"""`potentials import`: convert a model file of another program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from potentials.cli.terminal import console


def import_(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Model of mace-torch (NAME.model), checkpoint or package of nequip (NAME.ckpt, "
            "NAME.nequip.zip), checkpoint of SevenNet (NAME.pth), or a "
            "model file with several heads (NAME.potential), of which --head selects one.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Model file to write (default: NAME.potential, or NAME-HEAD.potential)."),
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(
            help="Head (level of theory) to convert; by default all. Required for SevenNet models with several modals."
        ),
    ] = None,
    precision: Annotated[
        Literal["float32", "float64", "mixed"] | None,
        typer.Option(help="Precision of the result (default: that of the model)."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing model file.")] = False,
) -> None:
    """Convert FILE, a model of mace-torch, nequip or SevenNet, to a model file with the same energies and forces.

    The other program is not needed, and nothing in FILE is executed. The result works in all commands.
    """
    from potentials.errors import DataError
    from potentials.interop import import_model
    from potentials.outputs import check_output

    name = file.stem if head is None else f"{file.stem}-{head}"
    output = output or Path(f"{name}.potential")
    check_output(output, [file])
    if output.exists() and not overwrite:
        raise DataError(f"{output} exists; choose another name with --output, or replace it with --overwrite")
    potential = import_model(file, head, precision)
    potential.save(output)
    rows = [
        ("family", potential.config.name),
        ("elements", ", ".join(potential.elements)),
        ("cutoff", f"{potential.cutoff:g} A"),
        ("precision", potential.precision),
        *([("heads", ", ".join(potential.heads))] if potential.heads else []),
        ("parameters", f"{sum(parameter.numel() for parameter in potential.parameters()):,}"),
        ("model file", console.path(output)),
    ]
    console.output.print(console.key_values(rows))
