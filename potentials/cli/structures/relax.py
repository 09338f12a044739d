"""`potentials relax`: relax structures to the nearest local minimum of the energy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.progress import track

from potentials.cli.terminal import console
from potentials.cli.terminal.head_option import HeadName
from potentials.cli.terminal.structure_units import StructureUnit, in_angstrom

if TYPE_CHECKING:
    from potentials.data.read import Frame
    from potentials.simulation import RelaxationResult


def relax(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Model file (*.potential), or builtin:ethanol.")],
    structures: Annotated[
        str,
        typer.Argument(
            metavar="STRUCTURES",
            help="A file ASE reads, a glob, FILE@SLICE such as a.xyz@:10, or builtin:NAME.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write (extended XYZ).")] = Path(
        "relaxed.extxyz"
    ),
    cell: Annotated[bool, typer.Option("--cell", help="Relax the cell as well.")] = False,
    pressure: Annotated[float | None, typer.Option(help="Pressure in GPa, with --cell; 0 by default.")] = None,
    optimizer: Annotated[
        Literal["lbfgs", "bfgs", "fire"], typer.Option(help="Optimizer; fire is slower but more robust.")
    ] = "lbfgs",
    fmax: Annotated[float, typer.Option(help="Convergence criterion: largest force, in eV/A.")] = 0.01,
    steps: Annotated[int, typer.Option(help="Maximum number of steps per structure.")] = 500,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    skin: Annotated[float, typer.Option(help="Skin of the neighbor list, in A, added to the cutoff.")] = 0.5,
    length_unit: StructureUnit = None,
    head: HeadName = None,
) -> None:
    """Relax positions, or positions and cell (--cell), of all STRUCTURES with MODEL."""
    from potentials.config.messages.descriptions import counted
    from potentials.data.read.frames import read_frames
    from potentials.data.write.structure_output import check_structure_output
    from potentials.potential import PotentialCalculator
    from potentials.simulation import RelaxationSettings, relax_frames

    settings = RelaxationSettings(optimizer=optimizer, fmax=fmax, steps=steps, cell=cell, pressure=pressure)
    frames = read_frames(structures)
    check_structure_output(output, frames, model)
    calculator = PotentialCalculator(model, device=device, skin=skin, head=head)
    metadata = calculator.potential.metadata
    frames = [
        replace(frame, atoms=in_angstrom(frame.atoms, length_unit, metadata, already_warned=number > 0))
        for number, frame in enumerate(frames)
    ]
    relaxed = relax_frames(calculator, frames, settings, output)
    results = list(track(relaxed, "relaxing", total=len(frames), console=console.messages, transient=True))
    columns = ["structure", "atoms", "steps", "fmax (eV/A)", "before (eV)", "after (eV)", "change (meV/atom)"]
    if cell:
        columns += ["volume change", "stress (GPa)"]
    rows = [_row(frame, result, cell) for frame, result in zip(frames, results, strict=True)]
    console.output.print(console.table("relaxation", [*columns, "converged"], rows))
    console.output.print(f"relaxed structures: {console.path(output)}")
    num_not_converged = sum(not result.converged for result in results)
    if num_not_converged:
        structures_not_converged = f"{num_not_converged} of {counted(len(results), 'structure')}"
        console.warn(f"{structures_not_converged} did not converge in {counted(steps, 'step')}; raise --steps")


def _row(frame: Frame, result: RelaxationResult, cell: bool) -> list[str]:
    change = (result.energy_after - result.energy_before) / len(result.atoms)
    row = [
        str(frame),
        str(len(result.atoms)),
        str(result.steps),
        console.number(result.fmax, 2),
        f"{result.energy_before:.4f}",
        f"{result.energy_after:.4f}",
        console.milli(change),
    ]
    if cell:
        row += [f"{result.volume_after / result.volume_before - 1:+.2%}", console.number(result.largest_stress, 2)]
    return [*row, "yes" if result.converged else "NO"]
