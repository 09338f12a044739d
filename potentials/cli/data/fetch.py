"""`potentials data fetch`: download a public data set and write it as extended XYZ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn
from rich.table import Table

from potentials.cli.terminal import console
from potentials.errors import DataError

if TYPE_CHECKING:
    from potentials.data.public.catalog import PublicFile


def data_fetch(
    name: Annotated[str | None, typer.Argument(help="Name of the data set; --list shows all.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to write to; data/NAME by default.")
    ] = None,
    archive: Annotated[
        list[Path] | None,
        typer.Option(help="A file of the data set that was downloaded earlier; may be repeated."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that is not empty.")] = False,
    show: Annotated[bool, typer.Option("--list", help="List the data sets.")] = False,
) -> None:
    """Download the public data set NAME from its source and write it as extended XYZ in eV and eV/A.

    Downloads are verified by checksum, cached in ~/.cache/potentials (or the folder in POTENTIALS_CACHE), and resumed
    after an interruption. The command prints the source, the license and the references to cite.
    """
    from potentials.data.public.catalog import public_data_set
    from potentials.data.public.fetch import fetch

    if show:
        console.output.print(_catalog())
        return
    if name is None:
        raise DataError("expected the name of a data set; --list shows all names")
    data_set = public_data_set(name)
    folder = Path("data", data_set.name) if output is None else output
    with _progress() as progress:
        tasks: dict[str, TaskID] = {}

        def report(file: PublicFile, done: int, total: int | None) -> None:
            if file.name not in tasks:
                tasks[file.name] = progress.add_task(file.name)
            progress.update(tasks[file.name], completed=done, total=total)

        written = fetch(data_set, folder, archive or [], overwrite=force, report=report)
    rows = [("data set", data_set.summary), ("source", data_set.source), ("license", data_set.license)]
    rows += [("to cite", citation) for citation in data_set.citations]
    rows += [("note", note) for note in data_set.notes]
    rows += [("written", f"{console.path(file.path)}, {file.frames} frames") for file in written]
    console.output.print(console.key_values(rows))


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Progress(*columns, console=console.messages, transient=True)


def _catalog() -> Table:
    from potentials.data.public.catalog import data_set_names, public_data_set

    rows = []
    for data_set in map(public_data_set, data_set_names()):
        sizes = [file.size for file in data_set.files if file.size is not None]
        size = console.size(sum(sizes)) if len(sizes) == len(data_set.files) else "?"
        rows.append((data_set.name, size, data_set.license.partition(" (")[0], data_set.summary))
    table = console.table("Public data sets", ("name", "download", "license", "description"), rows)
    for column in table.columns[2:]:
        column.justify = "left"
    return table
