"""`potentials md`: run molecular dynamics."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from potentials.cli.terminal import console
from potentials.cli.terminal.head_option import HeadName
from potentials.cli.terminal.structure_units import StructureUnit, in_angstrom

if TYPE_CHECKING:
    from ase import Atoms

    from potentials.simulation import MDResult, MDSettings

_TOTAL_LENGTH_HELP = "in total, including the earlier steps of a continued run"


def md(
    model: Annotated[Path, typer.Argument(help="Model file (*.potential), or builtin:ethanol.")],
    structure: Annotated[str, typer.Argument(help="Initial structure: any file ASE reads, or builtin:NAME.")],
    ensemble: Annotated[
        Literal["nve", "langevin", "npt"],
        typer.Option(help="Constant energy (nve), temperature (langevin), or temperature and pressure (npt)."),
    ] = "nve",
    temperature: Annotated[float, typer.Option(help="Temperature in K; for nve, of the initial velocities.")] = 300.0,
    temperature_end: Annotated[float | None, typer.Option(help="Final temperature in K for a linear ramp.")] = None,
    pressure: Annotated[float | None, typer.Option(help="Pressure in GPa, for npt; 0 by default.")] = None,
    timestep: Annotated[float, typer.Option(help="Time step in fs.")] = 0.5,
    steps: Annotated[int | None, typer.Option(help=f"Number of steps {_TOTAL_LENGTH_HELP}; 1000 by default.")] = None,
    time: Annotated[str | None, typer.Option(help=f'Simulated time, such as "10ps", {_TOTAL_LENGTH_HELP}.')] = None,
    friction: Annotated[
        float | None, typer.Option(help="Friction in 1/fs, for langevin and npt; 0.01 by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed of the initial velocities and the thermostat.")] = 0,
    every: Annotated[int, typer.Option(help="Write a frame and a line of the log every N steps.")] = 10,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Trajectory file; the log is written beside it (.csv).")
    ] = Path("md.traj"),
    supercell: Annotated[str, typer.Option(help='Repetitions of the cell, such as "2 2 2".')] = "1 1 1",
    index: Annotated[int, typer.Option(help="Index of the frame in the structure file; -1 is the last.")] = -1,
    keep_velocities: Annotated[
        bool, typer.Option("--keep-velocities", help="Start with the velocities of the structure.")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    skin: Annotated[float, typer.Option(help="Skin of the neighbor list, in A, added to the cutoff.")] = 0.5,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start over even if the output exists.")] = False,
    length_unit: StructureUnit = None,
    head: HeadName = None,
) -> None:
    """Run molecular dynamics of STRUCTURE with MODEL.

    Run the same command again to continue an interrupted run; the result is bitwise identical to that of an
    uninterrupted one. Run it with more steps or a longer time to extend a finished run.
    """
    from potentials.data.read import files_of
    from potentials.outputs import check_outputs
    from potentials.potential import PotentialCalculator
    from potentials.simulation import MDSettings, run_md
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
    calculator = PotentialCalculator(model, device=device, skin=skin, head=head)
    atoms = in_angstrom(atoms, length_unit, calculator.potential.metadata)
    result = run_md(calculator, atoms, settings, output, overwrite=overwrite)
    console.output.print(console.key_values(_rows(result, atoms, settings)))
    if result.interrupted:
        console.warn(f"stopped at step {result.last_step} of {settings.steps}; run the same command again to continue")
        raise typer.Exit(130)
    if result.first_step == result.last_step and settings.steps > 0:
        console.note("the run is complete; give more steps, or start over with --overwrite")


def _rows(result: MDResult, atoms: Atoms, settings: MDSettings) -> list[tuple[str, str]]:
    picoseconds = result.last_step * settings.timestep * 1e-3
    start = f", continued from step {result.first_step}" if result.first_step else ""
    rows = [
        ("structure", f"{atoms.get_chemical_formula()}, {len(atoms)} atoms"),
        ("ensemble", settings.ensemble),
        ("length", f"{result.last_step} steps of {settings.timestep:g} fs, {picoseconds:g} ps{start}"),
        ("temperature", f"{result.mean_temperature:.1f} K (mean)"),
    ]
    if result.drift is not None:
        drift = f"{console.number(result.drift.slope)} meV/atom/ps"
        largest = f"{console.number(result.drift.largest)} meV/atom"
        rows.append(("total energy", f"drift {drift}, largest deviation {largest}"))
    if atoms.pbc.all():
        rows.append(("pressure", f"{console.number(result.mean_pressure)} GPa (mean)"))
    if settings.ensemble == "npt":
        rows.append(("volume", f"{result.mean_volume / len(atoms):.4f} A^3/atom (mean)"))
    if result.last_step > result.first_step:
        per_step = console.duration(result.seconds / (result.last_step - result.first_step))
        rows.append(("speed", f"{console.number(result.ns_per_day)} ns/day, {per_step} per step"))
    return [*rows, ("trajectory", console.path(result.trajectory)), ("log", console.path(result.log))]
