"""`potentials visualize`: write an interactive page that shows what a model computes for a structure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from potentials.cli.terminal import console
from potentials.cli.terminal.head_option import HeadName


def visualize(
    model: Annotated[Path, typer.Argument(help="Model file (*.potential), or builtin:ethanol.")],
    structure: Annotated[
        str | None,
        typer.Argument(
            help="Structure: a file ASE reads (its first frame with more than one atom), FILE@NUMBER, or "
            "builtin:NAME. By default a frame of the model's training data, if available."
        ),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write.")] = Path("visualize.html"),
    atom: Annotated[
        int | None, typer.Option(help="Index of the atom whose environment is shown, for a large structure.")
    ] = None,
    head: HeadName = None,
) -> None:
    """Write an interactive page that shows what MODEL computes for STRUCTURE.

    The page shows spherical harmonics, radial functions, tensor products, messages, features and energies as computed
    by the model, and how features rotate with the structure. It is one file that needs no network.
    """
    from potentials.data.read import files_of
    from potentials.files import write_whole
    from potentials.outputs import check_output
    from potentials.potential.model_file import load_one
    from potentials.visualization import visualization_page
    from potentials.visualization.structures import structure_to_show

    output.parent.mkdir(parents=True, exist_ok=True)
    check_output(output, [model, *([] if structure is None else files_of(structure))])
    potential = load_one(model, head=head)
    frame = structure_to_show(potential, structure)
    page = visualization_page(
        potential, frame.atoms, model_name=str(model), structure_name=str(frame), atom=atom
    ).encode(errors="backslashreplace")
    write_whole(output, page)
    rows = [
        ("model", f"{console.path(model)}, {potential.config.name}"),
        ("structure", f"{frame}, {len(frame.atoms)} atoms"),
        ("page", f"{console.path(output)}, {console.size(len(page))}"),
    ]
    console.output.print(console.key_values(rows))
