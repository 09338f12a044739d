"""`potentials init`: write a commented configuration for a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from potentials.cli.terminal import console
from potentials.errors import ConfigError, Problem


def init(
    data: Annotated[list[str], typer.Argument(help="Structures with energies and forces: files, globs, builtin:NAME.")],
    model: Annotated[str, typer.Option(help="Model family.")] = "mace",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; standard output by default.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Inspect DATA and write a commented configuration that `check` and `train` accept unchanged.

    The configuration goes to standard output (or --output), notes and warnings on the data to standard error.
    """
    import potentials.models  # noqa: F401  (registers the families)
    from potentials.config import families
    from potentials.data.read import files_of
    from potentials.outputs import check_output
    from potentials.setup.suggest import suggest

    if model not in families():
        known = ", ".join(families())
        raise ConfigError([Problem(f'unknown model family "{model}"; known families: {known}', key="--model")])
    if output is not None and output.exists() and not force:
        raise ConfigError([Problem(f"{output} exists; use --force to overwrite it", key="--output")])
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        check_output(output, files_of(data))
    suggestion = suggest(data, model, output.parent if output is not None else None)
    for text in suggestion.notes:
        console.note(text)
    for text in suggestion.warnings:
        console.warn(text)
    if output is None:
        console.print_file(suggestion.text)
        return
    output.write_text(suggestion.text, encoding="utf-8", errors="backslashreplace")
    console.messages.print(f"written: {output}; next: potentials check {output}", soft_wrap=True)
