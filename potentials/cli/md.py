"""`potentials md`: molecular dynamics."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from potentials.cli import console
from potentials.cli.structure_units import StructureUnit, in_angstrom

if TYPE_CHECKING:
    from ase import Atoms

    from potentials.simulation import MDResult, MDSettings

_HELP_LENGTH = "in all, earlier parts of a continued run included"


def md(
    model: Annotated[Path, typer.Argument(help="Model file (*.potential), or builtin:ethanol.")],
    structure: Annotated[str, typer.Argument(help="Structure to start from: any file ASE reads, or builtin:NAME.")],
    ensemble: Annotated[
        Literal["nve", "langevin", "npt"],
        typer.Option(help="Constant energy; constant temperature; constant temperature and pressure."),
    ] = "nve",
    temperature: Annotated[float, typer.Option(help="K; for nve that of the initial velocities.")] = 300.0,
    temperature_end: Annotated[float | None, typer.Option(help="K, reached linearly at the end.")] = None,
    pressure: Annotated[float | None, typer.Option(help="GPa, for npt; 0 by default.")] = None,
    timestep: Annotated[float, typer.Option(help="fs.")] = 0.5,
    steps: Annotated[int | None, typer.Option(help=f"Number of steps, {_HELP_LENGTH}; 1000 by default.")] = None,
    time: Annotated[str | None, typer.Option(help=f'Or the length as a time, such as "10ps", {_HELP_LENGTH}.')] = None,
    friction: Annotated[float | None, typer.Option(help="1/fs, for langevin and npt; 0.01 by default.")] = None,
    seed: Annotated[int, typer.Option(help="Of the initial velocities and the thermostat.")] = 0,
    every: Annotated[int, typer.Option(help="Steps from frame to frame, and from line to line of the log.")] = 10,
    output: Annotated[Path, typer.Option("--output", "-o", help="Trajectory; beside it a .csv log.")] = Path("md.traj"),
    supercell: Annotated[str, typer.Option(help='Repeat the cell, such as "2 2 2".')] = "1 1 1",
    index: Annotated[int, typer.Option(help="Which frame of the structure file; -1 is the last.")] = -1,
    keep_velocities: Annotated[
        bool, typer.Option("--keep-velocities", help="Start with those of the structure.")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    skin: Annotated[float, typer.Option(help="A, added to the cutoff of the neighbour list.")] = 0.5,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start over if the output exists.")] = False,
    length_unit: StructureUnit = None,
) -> None:
    """Molecular dynamics of STRUCTURE with MODEL.

    The same command again continues a run that was stopped (Ctrl-C) or cut off, to the bit; with more steps, or a
    longer time, it goes on.
    """
    from potentials.data.read import files_of
    from potentials.outputs import check_outputs
    from potentials.simulation import MDSettings, PotentialCalculator, run_md
    from potentials.simulation.md_settings import number_of_steps
    from potentials.simulation.structures import read_structure

    settings = MDSettings(
        ensemble=ensemble,
        temperature=temperature,
        temperature_end=temperature_end,
        pressure=pressure,
        timestep=timestep,
        steps=number_of_steps(steps, time, timestep),
        friction=friction,
        seed=seed,
        every=every,
        keep_velocities=keep_velocities,
    )
    check_outputs([output, output.with_suffix(".csv")], [model, *files_of(structure)])
    atoms = read_structure(structure, index, supercell)
    calculator = PotentialCalculator(model, device=device, skin=skin)
    atoms = in_angstrom(atoms, length_unit, calculator.potential.metadata)
    result = run_md(calculator, atoms, settings, output, overwrite=overwrite)
    console.output.print(console.key_values(_rows(result, atoms, settings)))
    if result.interrupted:
        console.warn(f"stopped at step {result.last_step} of {settings.steps}; the same command again continues")
        raise typer.Exit(130)
    if result.first_step == result.last_step and settings.steps > 0:
        console.note("there was nothing left to do; ask for more steps, or start over with --overwrite")


def _rows(result: MDResult, atoms: Atoms, settings: MDSettings) -> list[tuple[str, str]]:
    picoseconds = result.last_step * settings.timestep * 1e-3
    start = f", continued from step {result.first_step}" if result.first_step else ""
    rows = [
        ("structure", f"{atoms.get_chemical_formula()}, {len(atoms)} atoms"),
        ("ensemble", settings.ensemble),
        ("length", f"{result.last_step} steps of {settings.timestep:g} fs, {picoseconds:g} ps{start}"),
        ("temperature", f"{result.mean_temperature:.1f} K on average"),
    ]
    if result.drift is not None:
        drift = f"{console.number(result.drift.slope)} meV/atom/ps"
        largest = f"{console.number(result.drift.largest)} meV/atom"
        rows.append(("total energy", f"drift {drift}, largest deviation {largest}"))
    if atoms.pbc.all():
        rows.append(("pressure", f"{console.number(result.mean_pressure)} GPa on average"))
    if settings.ensemble == "npt":
        rows.append(("volume", f"{result.mean_volume / len(atoms):.4f} A^3/atom on average"))
    if result.last_step > result.first_step:
        per_step = console.duration(result.seconds / (result.last_step - result.first_step))
        rows.append(("speed", f"{console.number(result.ns_per_day)} ns/day, {per_step} a step"))
    return [*rows, ("trajectory", console.path(result.trajectory)), ("log", console.path(result.log))]
