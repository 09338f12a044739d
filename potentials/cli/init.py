"""`potentials init`: write a commented configuration for a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from potentials.cli.terminal import console
from potentials.errors import ConfigError, Problem

if TYPE_CHECKING:
    from potentials.setup.suggest import StartingChoice


def init(
    data: Annotated[
        list[str] | None,
        typer.Argument(metavar="DATA", help="Structures with energies and forces: files, globs, builtin:NAME."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model family (default: mace).")] = None,
    from_mace: Annotated[
        str | None,
        typer.Option(
            metavar="ARGUMENTS",
            help="Translate arguments of mace_run_train (in quotes) or its YAML file instead of inspecting DATA.",
        ),
    ] = None,
    from_nequip: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Translate a configuration of nequip or allegro instead of inspecting DATA."),
    ] = None,
    start_from: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Fine-tune the potential FILE, or a model that `potentials import` reads."),
    ] = None,
    head: Annotated[str | None, typer.Option(help="Head of the model of --start-from, if it has several.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; standard output by default.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Inspect DATA and write a commented configuration that `check` and `train` accept unchanged.

    With --from-mace or --from-nequip, write the translated configuration of the other program; DATA replaces its
    training files. The configuration goes to standard output (or --output), notes and warnings on the data to standard
    error.
    """
    import potentials.models  # noqa: F401  (registers the families)
    from potentials.data.read import files_of
    from potentials.outputs import check_output

    data = data or []
    if from_mace is not None and from_nequip is not None:
        raise ConfigError([Problem("--from-mace and --from-nequip exclude each other; give one of them")])
    if model is not None and (from_mace is not None or from_nequip is not None):
        raise ConfigError([Problem("the translated configuration determines the family; remove --model")])
    is_translated = from_mace is not None or from_nequip is not None
    if start_from is not None and (is_translated or model is not None):
        raise ConfigError(
            [Problem("the starting potential determines the model; remove --model, --from-mace and --from-nequip")]
        )
    if head is not None and start_from is None:
        raise ConfigError([Problem("--head belongs to --start-from; add it, or remove --head")])
    if not data and not is_translated:
        raise ConfigError([Problem("expected DATA, --from-mace or --from-nequip; see potentials init --help")])
    if output is not None and output.exists() and not force:
        raise ConfigError([Problem(f"{output} exists; use --force to overwrite it", key="--output")])
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        check_output(output, files_of(data) if data else [])
    if is_translated:
        text = _translated(from_mace, from_nequip, data)
    else:
        text = _suggested(data, model or "mace", output, start_from, head)
    if output is None:
        console.print_file(text)
        return
    output.write_text(text, encoding="utf-8", errors="backslashreplace")
    console.messages.print(f"written: {output}; next: potentials check {output}", soft_wrap=True)


def _translated(from_mace: str | None, from_nequip: Path | None, data: Sequence[str]) -> str:
    from potentials.setup.translation import translate_mace, translate_nequip

    if from_nequip is not None:
        return translate_nequip(from_nequip, data)
    return translate_mace(from_mace or "", data)


def _suggested(data: Sequence[str], model: str, output: Path | None, start_from: Path | None, head: str | None) -> str:
    from potentials.config import families
    from potentials.setup.suggest import suggest

    if model not in families():
        known = ", ".join(families())
        raise ConfigError([Problem(f'unknown model family "{model}"; known families: {known}', key="--model")])
    start = None if start_from is None else _starting_choice(start_from, head)
    suggestion = suggest(data, model, output.parent if output is not None else None, start)
    for text in suggestion.notes:
        console.note(text)
    for text in suggestion.warnings:
        console.warn(text)
    return suggestion.text


def _starting_choice(file: Path, head: str | None) -> StartingChoice:
    from potentials.interop.starting import load_file
    from potentials.setup.suggest import StartingChoice

    return StartingChoice(str(file.resolve()), head, load_file(file, head).elements)
