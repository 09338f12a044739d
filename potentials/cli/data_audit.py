"""`potentials data audit`: quiet faults of data, before they are trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from potentials.cli import console

if TYPE_CHECKING:
    from potentials.analysis.audit import AuditedData

FOUND = 1
_STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}


def data_audit(
    files: Annotated[list[str], typer.Argument(help="Files, globs or builtin:NAME; or one configuration (YAML).")],
    validation: Annotated[
        list[str] | None, typer.Option("--validation", help="Files of validation frames.", show_default=False)
    ] = None,
    test: Annotated[list[str] | None, typer.Option("--test", help="Files of test frames.", show_default=False)] = None,
    energy_key: Annotated[
        str | None, typer.Option("--energy-key", help="Entry with the energies; the likeliest when not given.")
    ] = None,
    forces_key: Annotated[
        str | None, typer.Option("--forces-key", help="Entry with the forces; the likeliest when not given.")
    ] = None,
    cutoff: Annotated[float | None, typer.Option("--cutoff", help="Cutoff that a model will have, in A (5).")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print everything as JSON, with the numbers of all frames.")
    ] = False,
    page: Annotated[Path | None, typer.Option("--html", help="Write a page with pictures.", show_default=False)] = None,
) -> None:
    """Look for what is quietly wrong with data: forces and energies that contradict each other, mixed levels of
    theory, units and signs, outliers, duplicates, parts that leak into each other.

    Labels are taken as eV, eV/A and eV/A^3; with a configuration, as it declares them, and its parts are compared. The
    exit code is 0 where nothing or only notes were found, 1 where there are errors or warnings.
    """
    import potentials.models  # noqa: F401  (enters the families)
    from potentials.analysis.audit import audit
    from potentials.analysis.audit_page import audit_page
    from potentials.data.read import files_of
    from potentials.files import write_text
    from potentials.outputs import check_output

    if page is not None:
        check_output(page, [path for given in (files, validation, test) for path in files_of(given or [])])
    data = _data(files, {"validation": validation, "test": test}, energy_key, forces_key, cutoff)
    found = audit(data, console.note)
    if as_json:
        console.output.print(json.dumps(found.to_json(), indent=1), soft_wrap=True)
    else:
        for part, facts in found.facts.items():
            console.output.print(f"{part}: {facts}", soft_wrap=True)
        for finding in found.findings:
            console.output.print(finding.text(), style=_STYLES[finding.severity], soft_wrap=True)
        counts = ", ".join(f"{found.count(name)} {name}{'' if found.count(name) == 1 else 's'}" for name in _STYLES)
        console.output.print(counts)
    if page is not None:
        write_text(page, audit_page(found))
        console.messages.print(f"written: {console.path(page)}", soft_wrap=True)
    if not found.passed:
        raise typer.Exit(FOUND)


def _data(
    files: list[str],
    others: dict[str, list[str] | None],
    energy_key: str | None,
    forces_key: str | None,
    cutoff: float | None,
) -> AuditedData:
    from potentials.analysis.audit import DEFAULT_CUTOFF, data_of_files, data_of_run, labels_of_files
    from potentials.config import load_config
    from potentials.data.audit.checks import check_cutoff
    from potentials.errors import PotentialsError

    if Path(files[0]).suffix in (".yaml", ".yml"):
        options = {"--energy-key": energy_key, "--forces-key": forces_key, "--cutoff": cutoff}
        given: dict[str, object] = {**options, **{f"--{name}": value for name, value in others.items()}}
        useless = [name for name, value in given.items() if value]
        if len(files) > 1 or useless:
            what = ", ".join([*useless, *files[1:]])
            raise PotentialsError(f"{files[0]} says which files, keys and cutoff there are: leave out {what}")
        return data_of_run(load_config(Path(files[0])))
    check_cutoff(DEFAULT_CUTOFF if cutoff is None else cutoff)
    labels = labels_of_files(files, energy_key, forces_key)
    parts = {name: of_part for name, of_part in others.items() if of_part}
    return data_of_files(files, parts, labels, DEFAULT_CUTOFF if cutoff is None else cutoff)
