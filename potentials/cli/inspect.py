"""`potentials inspect`: what a model file holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from potentials.cli import console


def inspect(
    model: Annotated[Path, typer.Argument(help="Model file (*.potential).")],
    as_json: Annotated[bool, typer.Option("--json", help="The whole header as JSON.")] = False,
) -> None:
    """Say what MODEL is: family, settings, elements, reference energies, errors, data and versions."""
    from potentials.analysis.inspection import inspect_model

    header = inspect_model(model)
    if as_json:
        print(json.dumps(header, indent=2))
        return
    settings = dict(header["model"])
    console.output.print(
        console.key_values(
            [
                ("file", f"{console.path(model)}, {console.size(header['bytes'])}, format {header['format_version']}"),
                ("family", settings.pop("name")),
                ("cutoff", f"{settings.pop('cutoff'):g} A"),
                ("elements", ", ".join(settings.pop("elements"))),
                ("reference energies", _reference_energies(header)),
                ("precision", header["precision"]),
                ("weights", f"{header['numbers']:,}"),
                ("settings", _flat(settings)),
                *((name.replace("_", " "), _flat(value)) for name, value in header["metadata"].items()),
                ("written with", _flat(header["versions"])),
            ]
        )
    )


def _reference_energies(header: dict[str, Any]) -> str:
    return ", ".join(f"{symbol} {energy:.6f}" for symbol, energy in header["reference_energies"].items()) + " eV"


def _flat(value: Any) -> str:
    """A value as one line: `channels 64, radial (basis bessel, size 8)`."""
    if isinstance(value, dict):
        return ", ".join(
            f"{name} ({_flat(inner)})" if isinstance(inner, dict) else f"{name} {_flat(inner)}"
            for name, inner in value.items()
        )
    if isinstance(value, list):
        return "[" + ", ".join(_flat(inner) for inner in value) + "]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
