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
    """Say what MODEL is: family, settings, elements, reference energies, errors, data and versions, and how it runs."""
    from potentials.analysis.inspection import inspect_model

    header = inspect_model(model)
    if as_json:
        print(json.dumps(header, indent=2))
        return
    console.output.print(console.key_values(_rows(header)))


def _rows(header: dict[str, Any]) -> list[tuple[str, str]]:
    settings = dict(header["model"])
    energies = header["reference_energies"]
    elements = settings.pop("elements")
    rows = [
        ("file", f"{console.path(header['file'])}, {console.size(header['bytes'])}, format {header['format_version']}"),
        ("family", settings.pop("name")),
        ("cutoff", f"{settings.pop('cutoff'):g} A"),
        ("elements", ", ".join(elements)),
        ("reference energies", ", ".join(f"{symbol} {energies[symbol]:.6f}" for symbol in elements) + " eV"),
        ("precision", header["precision"]),
        ("weights", f"{header['numbers']:,}"),
        ("settings", _flat(settings)),
        ("kernels", header["kernels"]),
        ("molecular dynamics", header["dynamics"]["note"]),
        ("rotation error", _rotation_error(header["rotation_error"])),
        ("written with", _flat(header["versions"])),
    ]
    return rows + _training_rows(header["metadata"])


def _rotation_error(error: dict[str, float]) -> str:
    return (
        f"forces {1e3 * error['forces']:.2g} of {1e3 * error['force_size']:.3g} meV/A, energy "
        f"{1e3 * error['energy_per_atom']:.2g} meV/atom (RMS, a test cluster turned and mirrored)"
    )


def _training_rows(metadata: dict[str, Any]) -> list[tuple[str, str]]:
    """What training left in the header; a potential saved by hand has nothing there."""
    rows = []
    if "config" in metadata:
        rows.append(("run", f"{metadata['config']['run']}, epoch {metadata['epoch']:g}"))
    if "training_data" in metadata:
        rows.append(("training data", f"sha256 {metadata['training_data']}"))
    if "validation_errors" in metadata:
        rows.append(("validation RMSE", _errors(metadata["validation_errors"])))
    return rows


def _errors(errors: dict[str, Any]) -> str:
    units = {"energy_per_atom": ("energy", "meV/atom"), "forces": ("forces", "meV/A"), "stress": ("stress", "meV/A^3")}
    return ", ".join(
        f"{label} {console.milli(errors[name]['rmse'])} {unit}"
        for name, (label, unit) in units.items()
        if errors.get(name)
    )


def _flat(value: Any) -> str:
    """A value as one line: `channels 64, radial (basis bessel, size 8)`."""
    if isinstance(value, dict):
        return ", ".join(
            f"{name} ({_flat(inner)})" if isinstance(inner, dict) else f"{name} {_flat(inner)}"
            for name, inner in value.items()
        )
    if isinstance(value, list):
        return "[" + ", ".join(_flat(inner) for inner in value) + "]"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
