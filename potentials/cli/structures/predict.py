"""`potentials predict`: compute energies, forces and stresses of structures."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from potentials.cli.terminal import console
from potentials.cli.terminal.head_option import HeadName
from potentials.cli.terminal.structure_units import StructureUnit, in_angstrom


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Model file (*.potential), or builtin:ethanol.")],
    structures: Annotated[
        str,
        typer.Argument(
            metavar="STRUCTURES",
            help="A file ASE reads, a glob, FILE@SLICE such as a.xyz@:10, or builtin:NAME.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write (extended XYZ).")] = Path(
        "predicted.extxyz"
    ),
    batch_size: Annotated[int, typer.Option(help="Structures per batch.")] = 8,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    head: HeadName = None,
    length_unit: StructureUnit = None,
) -> None:
    """Compute energies, forces and (for periodic cells) stresses of STRUCTURES with MODEL, in eV and A.

    Existing labels of the structures are kept as reference_energy, reference_forces and reference_stress.
    """
    from potentials.data.read.frames import read_frames
    from potentials.data.write.structure_output import check_structure_output, write_structures
    from potentials.evaluation.predict import predict as predictions
    from potentials.potential.devices import choose_device
    from potentials.potential.model_file import load_one

    frames = read_frames(structures)
    check_structure_output(output, frames, model)
    potential = load_one(model, choose_device(device), head=head)
    frames = [
        replace(frame, atoms=in_angstrom(frame.atoms, length_unit, potential.metadata, already_warned=number > 0))
        for number, frame in enumerate(frames)
    ]
    start = time.perf_counter()
    predicted = predictions(potential, frames, batch_size)
    number = write_structures(
        output, track(predicted, "predicting", total=len(frames), console=console.messages, transient=True)
    )
    seconds = time.perf_counter() - start
    rows = [
        ("structures", f"{number}, {sum(len(frame.atoms) for frame in frames)} atoms"),
        ("time", f"{console.duration(seconds)}, {console.duration(seconds / number)} per structure"),
        ("predictions", console.path(output)),
    ]
    console.output.print(console.key_values(rows))
