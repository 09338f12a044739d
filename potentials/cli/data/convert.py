"""`potentials data convert`: convert structures from one format to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from potentials.cli.terminal import console


def data_convert(
    source: Annotated[list[str], typer.Argument(help="Files, globs, file@slice or builtin:NAME.")],
    target: Annotated[Path, typer.Argument(help="File to write: .extxyz, .xyz, .db, .aselmdb, .h5 or .hdf5.")],
    shards: Annotated[
        int, typer.Option("--shards", min=1, help="Write N files (NAME-00000.ext, ...) instead of one.")
    ] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
) -> None:
    """Write the structures of SOURCE to TARGET, with all calculator results, info and arrays.

    Frames are read one at a time, so files may be larger than memory. Labels and units are not changed. Numbers are
    bitwise identical, except that extended XYZ rounds per-atom arrays to 1e-8. If the target format cannot store an
    entry, the command reports an error and writes nothing.
    """
    from potentials.data.conversion.convert import convert

    columns = (SpinnerColumn(), TextColumn("{task.completed:.0f} frames"), TimeElapsedColumn())
    with Progress(*columns, console=console.messages, transient=True) as progress:
        task = progress.add_task("", total=None)
        written = convert(
            source,
            target,
            shards=shards,
            overwrite=overwrite,
            report=lambda frames: progress.update(task, completed=frames),
        )
    name = console.path(written.files[0])
    files = name if len(written.files) == 1 else f"{name} and {len(written.files) - 1} more"
    size = console.size(written.num_bytes)
    console.output.print(f"{files}: {written.frames} frames, {written.atoms} atoms, {size}", soft_wrap=True)
