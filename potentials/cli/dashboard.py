"""`potentials dashboard`: serve a web page of all runs in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def dashboard(
    folder: Annotated[Path, typer.Argument(help="Folder of runs; subfolders are searched too.")] = Path("runs"),
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port; by default 8765, or a free port if that is in use.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    public: Annotated[
        bool, typer.Option("--public", help="Allow addresses that other machines can reach; there is no password.")
    ] = False,
) -> None:
    """Serve a web page of all runs in FOLDER: progress, live curves, errors, configurations, warnings.

    The dashboard only reads the files of the runs, needs no network, and by default can be reached from this machine
    only.
    """
    from potentials.dashboard.serving import serve

    serve(folder, host, port, public, _print_line)


def _print_line(text: str) -> None:
    """Print a line; folder names may contain bytes that are not valid text."""
    print(text.encode("utf-8", "backslashreplace").decode(), flush=True)
