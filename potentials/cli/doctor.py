"""`potentials doctor`: check the installation and the machine."""

from __future__ import annotations

import typer
from rich.table import Table

from potentials.cli.terminal import console

_STYLES = {"ok": "green", "warning": "yellow", "broken": "bold red"}


def doctor() -> None:
    """Check the installation and the machine, and suggest fixes.

    The exit code is 1 if something is broken.
    """
    from potentials.setup.environment import examine

    findings = examine()
    table = Table.grid(padding=(0, 2))
    for finding in findings:
        style = _STYLES[finding.verdict]
        table.add_row(finding.subject, f"[{style}]{finding.verdict}[/]", finding.value)
    console.output.print(table, markup=True)
    for finding in findings:
        if finding.verdict != "ok":
            print_message = console.warn if finding.verdict == "warning" else console.error
            print_message(f"{finding.subject}: {finding.value}. {finding.advice}")
    if any(finding.verdict == "broken" for finding in findings):
        raise typer.Exit(1)
