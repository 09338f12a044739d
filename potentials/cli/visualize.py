"""`potentials visualize`: an interactive page of what a model does with a structure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from potentials.cli import console


def visualize(
    model: Annotated[Path, typer.Argument(help="Model file (*.potential), or builtin:ethanol.")],
    structure: Annotated[
        str | None,
        typer.Argument(
            help="A structure: a file ASE reads (its first frame), FILE@NUMBER, or builtin:NAME. By default a frame of "
            "the model's training data, where that is still there."
        ),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The page to write (HTML).")] = Path("visualize.html"),
    atom: Annotated[
        int | None, typer.Option(help="Number of the atom whose surroundings are shown, in a large structure.")
    ] = None,
) -> None:
    """Show what MODEL does with STRUCTURE: harmonics, radial functions, tensor products, messages, features, energies.

    The page is one file that needs no network. Everything in it was computed by the model: features as shapes on the
    atoms, and how they turn with the structure.
    """
    from potentials.data.read import files_of
    from potentials.files import write_whole
    from potentials.model_file import load
    from potentials.outputs import check_output
    from potentials.visualization import visualization_page
    from potentials.visualization.structures import structure_to_show

    output.parent.mkdir(parents=True, exist_ok=True)
    check_output(output, [model, *([] if structure is None else files_of(structure))])
    potential = load(model)
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
