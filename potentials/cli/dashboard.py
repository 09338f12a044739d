"""`potentials dashboard`: a local page of all runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def dashboard(
    folder: Annotated[Path, typer.Argument(help="Folder of runs; those in folders below it are shown too.")] = Path(
        "runs"
    ),
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port; 8765 if not given, or a free one where that is taken.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    public: Annotated[bool, typer.Option("--public", help="Let others reach it: there is no password.")] = False,
) -> None:
    """Show the runs of FOLDER in a browser: how far each is, curves as they grow, errors, configurations, warnings.

    It reads what the runs write and changes nothing, needs no network, and is reached from this machine only.
    """
    from potentials.dashboard.serving import serve

    serve(folder, host, port, public, _say)


def _say(text: str) -> None:
    """Print it; names of folders may hold bytes that are no text."""
    print(text.encode("utf-8", "backslashreplace").decode(), flush=True)
