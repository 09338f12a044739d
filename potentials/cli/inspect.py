"""`potentials inspect`: show the contents of a model file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from potentials.cli.terminal import console


def inspect(
    model: Annotated[Path, typer.Argument(help="Model file (*.potential), or builtin:ethanol.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole header as JSON.")] = False,
) -> None:
    """Show the contents of MODEL: family, settings, elements, reference energies, errors, training data, versions."""
    from potentials.setup.inspection import inspect_model

    header = inspect_model(model)
    if as_json:
        print(json.dumps(header, indent=2))
        return
    console.output.print(console.key_values(_rows(header)))


def _rows(header: dict[str, Any]) -> list[tuple[str, str]]:
    settings = dict(header["model"])
    elements = settings.pop("elements")
    rows = [
        ("file", f"{console.path(header['file'])}, {console.size(header['bytes'])}, format {header['format_version']}"),
        ("family", settings.pop("name")),
        ("cutoff", f"{settings.pop('cutoff'):g} A"),
        ("elements", ", ".join(elements)),
        *_energy_rows(header, elements),
        ("precision", header["precision"]),
        ("weights", f"{header['numbers']:,}"),
        ("settings", _flat(settings)),
        ("kernels", header["kernels"]),
        ("molecular dynamics", header["dynamics"]["note"]),
        ("rotation error", _rotation_error(header["rotation_error"])),
        ("written with", _flat(header["versions"])),
    ]
    return rows + _training_rows(header["metadata"])


def _energy_rows(header: dict[str, Any], elements: list[str]) -> list[tuple[str, str]]:
    """Return the rows of reference energies; one for each head if there are several."""

    def listing(energies: dict[str, float]) -> str:
        return ", ".join(f"{symbol} {energies[symbol]:.6f}" for symbol in elements) + " eV"

    heads = header.get("heads", [])
    if not heads:
        return [("reference energies", listing(header["reference_energies"]))]
    of_heads = [(f"reference energies of {head['name']}", listing(head["reference_energies"])) for head in heads]
    return [("heads", ", ".join(head["name"] for head in heads)), *of_heads]


def _rotation_error(error: dict[str, float]) -> str:
    return (
        f"forces {1e3 * error['forces']:.2g} meV/A (RMS force {1e3 * error['force_size']:.3g} meV/A), energy "
        f"{1e3 * error['energy_per_atom']:.2g} meV/atom (RMS; generated cluster, randomly rotated and mirrored)"
    )


def _training_rows(metadata: dict[str, Any]) -> list[tuple[str, str]]:
    """Return rows for the entries written by training; missing and unexpected entries are not shown."""
    from potentials.data.read.length_units import training_units
    from potentials.potential.model_file_contents import is_finite_number

    rows = []
    if isinstance(metadata.get("imported_from"), dict):
        rows.append(("imported from", _flat(metadata["imported_from"])))
    if isinstance(metadata.get("started_from"), dict):
        rows.append(("started from", _flat(metadata["started_from"])))
    config, epoch = metadata.get("config"), metadata.get("epoch")
    if isinstance(config, dict) and "run" in config:
        epoch_text = f", epoch {epoch:g}" if is_finite_number(epoch) else ""
        rows.append(("run", f"{_flat(config['run'])}{epoch_text}"))
    if "training_data" in metadata:
        rows.append(("training data", f"sha256 {_flat(metadata['training_data'])}"))
    units = training_units(metadata)
    if units:
        text = ", ".join(f"{name} in {_flat(unit)}" for name, unit in units.items())
        rows.append(("units of the training files", text))
    errors = _errors(metadata.get("validation_errors"))
    if errors:
        rows.append(("validation RMSE", errors))
    return rows


def _errors(errors: Any) -> str:
    from potentials.potential.model_file_contents import is_finite_number

    units = {"energy_per_atom": ("energy", "meV/atom"), "forces": ("forces", "meV/A"), "stress": ("stress", "meV/A^3")}
    available = errors if isinstance(errors, dict) else {}
    rmse = {name: available[name].get("rmse") for name in units if isinstance(available.get(name), dict)}
    return ", ".join(
        f"{units[name][0]} {console.milli(value)} {units[name][1]}"
        for name, value in rmse.items()
        if is_finite_number(value)
    )


def _flat(value: Any) -> str:
    """Format a value on one line: `channels 64, radial (basis bessel, size 8)`."""
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
