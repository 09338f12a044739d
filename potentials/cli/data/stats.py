"""`potentials data stats`: summary statistics of a data set."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from potentials.cli.terminal import console

if TYPE_CHECKING:
    from potentials.setup.data_statistics import DataStatistics, Spread

_MOST_ROWS = 12


def data_stats(
    files: Annotated[list[str], typer.Argument(help="Files, globs or builtin:NAME.")],
    cutoff: Annotated[float, typer.Option("--cutoff", help="Cutoff of the neighbor list, in A.")] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Summarize sizes, compositions, energies, forces, stresses, neighbors and distances of FILES.

    Labels are assumed to be in eV, eV/A and eV/A^3, under the keys that `init` would choose.
    """
    from potentials.data.audit.checks import check_cutoff
    from potentials.setup.audit.audit import TRAINING, data_of_files, labels_of_files
    from potentials.setup.data_statistics import data_statistics

    check_cutoff(cutoff)
    data = data_of_files(files, {}, labels_of_files(files), cutoff)
    found = data_statistics(data.splits[TRAINING], cutoff)
    if as_json:
        isolated = [atom.frame.atoms.get_chemical_symbols()[0] for atom in data.isolated]
        console.output.print(json.dumps({"isolated_atoms": isolated, **found.to_json()}, indent=1), soft_wrap=True)
        return
    _show(found, cutoff)
    if data.isolated:
        names = ", ".join(atom.frame.atoms.get_chemical_symbols()[0] for atom in data.isolated)
        console.output.print(f"isolated atoms (not counted above): {names}")


def _show(found: DataStatistics, cutoff: float) -> None:
    rows = [("frames", f"{found.frames}; periodic {found.periodic}, partly periodic {found.partly_periodic}")]
    rows.append(("compositions", _counts(found.compositions)))
    if len(found.groups) > 1:
        rows.append(("groups", _counts(found.groups)))
    console.output.print(console.key_values(rows))
    spreads: list[tuple[str, Spread | None]] = [
        ("atoms per frame", found.atoms),
        ("energy, eV/atom", found.energy_per_atom),
        ("largest force, eV/A", found.largest_force),
        ("pressure, eV/A^3", found.pressure),
        ("volume, A^3/atom", found.volume_per_atom),
    ]
    label_rows = [
        (name, str(s.count), *(console.number(x, 4) for x in (s.mean, s.std, s.minimum, s.maximum)))
        for name, s in spreads
        if s is not None
    ]
    console.output.print(console.table("", ("per frame", "frames", "mean", "std", "min", "max"), label_rows))
    element_rows = [
        (
            symbol,
            str(e.atoms),
            str(e.frames),
            *(console.number(x) for x in (e.forces_rms, e.largest_force, e.neighbors)),
        )
        for symbol, e in found.elements.items()
    ]
    headers = ("element", "atoms", "frames", "force RMS, eV/A", "largest", f"neighbors within {cutoff:g} A")
    console.output.print(console.table("", headers, element_rows))
    pairs = ", ".join(f"{pair} {distance:.3g}" for pair, distance in found.shortest_distances.items())
    console.output.print(f"shortest distances, A: {pairs or '-'}", soft_wrap=True)


def _counts(counts: dict[str, int]) -> str:
    shown = ", ".join(f"{name} ({count})" for name, count in list(counts.items())[:_MOST_ROWS])
    return f"{len(counts)}: {shown}{', ...' if len(counts) > _MOST_ROWS else ''}"
