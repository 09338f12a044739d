"""`potentials data audit`: find silent errors in data before training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from potentials.cli.terminal import console

if TYPE_CHECKING:
    from potentials.setup.audit.audit import AuditedData

EXIT_FINDINGS = 1
_STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}


def data_audit(
    files: Annotated[list[str], typer.Argument(help="Files, globs or builtin:NAME; or one configuration (YAML).")],
    validation: Annotated[
        list[str] | None, typer.Option("--validation", help="Files of validation frames.", show_default=False)
    ] = None,
    test: Annotated[list[str] | None, typer.Option("--test", help="Files of test frames.", show_default=False)] = None,
    energy_key: Annotated[
        str | None, typer.Option("--energy-key", help="Key of the energies; detected by default.")
    ] = None,
    forces_key: Annotated[
        str | None, typer.Option("--forces-key", help="Key of the forces; detected by default.")
    ] = None,
    cutoff: Annotated[
        float | None, typer.Option("--cutoff", help="Cutoff of the model to be trained, in A; 5 by default.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print everything as JSON, including the indices of all affected frames.")
    ] = False,
    page: Annotated[
        Path | None, typer.Option("--html", help="Write an HTML page with plots and structures.", show_default=False)
    ] = None,
) -> None:
    """Check data for silent errors: inconsistent energies and forces, mixed levels of theory, wrong units and signs,
    outliers, duplicates, leaks between splits.

    Labels of files are assumed to be in eV, eV/A and eV/A^3. With a configuration, its keys and units are used and its
    splits are compared. The exit code is 1 if there are errors or warnings, otherwise 0; 2 if files cannot be read.
    """
    import potentials.models  # noqa: F401  (registers the families)
    from potentials.data.read.frames import files_of
    from potentials.errors import DataError
    from potentials.files import write_text
    from potentials.outputs import check_output
    from potentials.setup.audit.audit import audit
    from potentials.setup.audit.page import audit_page

    if page is not None:
        check_output(page, [path for given in (files, validation, test) for path in files_of(given or [])])
    try:
        data = _data(files, {"validation": validation, "test": test}, energy_key, forces_key, cutoff)
    except DataError as error:
        if not error.silent_elsewhere:
            raise
        console.error(str(error))
        raise typer.Exit(EXIT_FINDINGS) from error
    found = audit(data, console.note)
    if as_json:
        console.output.print(json.dumps(found.to_json(), indent=1), soft_wrap=True)
    else:
        for split, facts in found.facts.items():
            console.output.print(f"{split}: {facts}", soft_wrap=True)
        for finding in found.findings:
            console.output.print(finding.text(), style=_STYLES[finding.severity], soft_wrap=True)
        console.output.print(found.counts())
    if page is not None:
        write_text(page, audit_page(found))
        console.messages.print(f"written: {console.path(page)}", soft_wrap=True)
    if not found.passed:
        raise typer.Exit(EXIT_FINDINGS)


def _data(
    files: list[str],
    other_splits: dict[str, list[str] | None],
    energy_key: str | None,
    forces_key: str | None,
    cutoff: float | None,
) -> AuditedData:
    import potentials.interop  # noqa: F401  (reads starting potentials)
    from potentials.config import load_config
    from potentials.data.audit.checks import check_cutoff
    from potentials.errors import PotentialsError
    from potentials.setup.audit.audit import DEFAULT_CUTOFF, data_of_files, data_of_run, labels_of_files

    if Path(files[0]).suffix in (".yaml", ".yml"):
        options = {"--energy-key": energy_key, "--forces-key": forces_key, "--cutoff": cutoff}
        given: dict[str, object] = {**options, **{f"--{name}": value for name, value in other_splits.items()}}
        unused = [name for name, value in given.items() if value]
        if len(files) > 1 or unused:
            what = ", ".join([*unused, *files[1:]])
            raise PotentialsError(f"{files[0]} defines the files, keys and cutoff; remove {what}")
        return data_of_run(load_config(Path(files[0])))
    check_cutoff(DEFAULT_CUTOFF if cutoff is None else cutoff)
    labels = labels_of_files(files, energy_key, forces_key, "give --energy-key and --forces-key")
    splits = {name: split_files for name, split_files in other_splits.items() if split_files}
    return data_of_files(files, splits, labels, DEFAULT_CUTOFF if cutoff is None else cutoff)
