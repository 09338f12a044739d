"""Generate the data sets included in the package: `builtin:ethanol`, `builtin:ethanol-distorted` (both GFN2-xTB) and
`builtin:copper` (EMT).

For each data set two files are written: NAME.extxyz.gz (frames and labels) and NAME.md (its card: level of theory,
protocol, seeds, counts, ranges, license). Labels are computed at the positions in the file, which are rounded to 8
decimals. On one machine with the same package versions the files are bitwise identical in every run.
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms, units
from ase.build import bulk, fcc100, fcc110, fcc111, molecule
from ase.calculators.calculator import CalculationFailed, Calculator
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.md.langevin import Langevin

DECIMALS = 8  # precision of positions and forces in ASE's extended XYZ writer
STRESS_DECIMALS = 10
DEFAULT_OUTPUT = Path(__file__).resolve().parents[1] / "potentials" / "data" / "builtin"

ETHANOL_SEED = 20240
ETHANOL_TEMPERATURES = (300, 500)  # K
ETHANOL_DIHEDRALS = (180.0, 60.0, 300.0, 180.0)  # C-C-O-H at the start of each trajectory, degrees
ETHANOL_FRAMES_PER_TRAJECTORY = 125
ETHANOL_TIME_STEP = 0.5  # fs
ETHANOL_SPACING = 80  # steps between frames
ETHANOL_EQUILIBRATION = 4000  # steps
ETHANOL_FRICTION = 0.01  # 1/fs
MULTIPLICITIES = {"H": 2, "C": 3, "O": 3}  # ground states of the free atoms
LABEL_ACCURACY = 0.01  # tblite's accuracy factor: 100 times tighter than its default

DISTORTED_FORCES = (10, 100, 1000, 10_000, 100_000)  # eV/A; upper limit of the largest force of each group of frames

COPPER_SEED = 29
COPPER_LATTICE_CONSTANT = 3.6  # A
COPPER_ISOTROPIC_STRETCHES = (0.94, 0.96, 0.98, 1.0, 1.02, 1.04, 1.06)
COPPER_VACUUM = 6.0  # A on either side of a slab; EMT for copper ends at 5.88 A
LIQUID_TEMPERATURE = 2000.0  # K
LIQUID_MELTING_TEMPERATURE = 5000.0  # K
LIQUID_VOLUMES = (12.5, 13.5, 14.5)  # A^3 per atom
LIQUID_FRAMES_PER_VOLUME = 25
LIQUID_TIME_STEP = 2.0  # fs
LIQUID_SPACING = 50  # steps between frames
LIQUID_EQUILIBRATION = 1000  # steps, at each of the two temperatures
LIQUID_FRICTION = 0.005  # 1/fs


# --- labels and files -------------------------------------------------------------------------------------------------


def labeled(atoms: Atoms, calculator: Calculator, config_type: str, **info: Any) -> Atoms:
    """Return a copy with rounded positions and cell, and labels for exactly this structure.

    Labels are energy, forces and, if periodic in three directions, stress.
    """
    frame = Atoms(
        atoms.symbols,
        positions=rounded(atoms.positions),
        cell=rounded(atoms.cell.array),
        pbc=atoms.pbc,
        calculator=calculator,
    )
    labels = {"energy": float(frame.get_potential_energy()), "forces": rounded(frame.get_forces())}
    if frame.pbc.all():
        labels["stress"] = rounded(frame.get_stress(), STRESS_DECIMALS)
    frame.calc = SinglePointCalculator(frame, **labels)
    frame.info = {"config_type": config_type, **info}
    return frame


def rounded(values: np.ndarray, decimals: int = DECIMALS) -> np.ndarray:
    """Return a rounded copy without negative zeros."""
    return np.round(values, decimals) + 0.0


def write_frames(frames: Sequence[Atoms], path: Path) -> None:
    """Write gzipped extended XYZ whose bytes depend only on the frames (no time stamp, no file name)."""
    text = io.StringIO()
    ase.io.write(text, list(frames), format="extxyz")
    path.write_bytes(gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0))


# --- ethanol ----------------------------------------------------------------------------------------------------------


def gfn2(**options: Any) -> Calculator:
    """Create a GFN2-xTB calculator with one thread, because sums over several threads are not bitwise reproducible."""
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    from tblite.ase import TBLite  # here, so that copper needs no tblite, and after the line above

    return TBLite(method="GFN2-xTB", verbosity=0, **options)


def ethanol_isolated_atoms() -> Iterator[Atoms]:
    """Generate the isolated atoms H, C and O, each in its ground-state multiplicity."""
    for symbol, multiplicity in MULTIPLICITIES.items():
        calculator = gfn2(accuracy=LABEL_ACCURACY, multiplicity=multiplicity)
        yield labeled(
            Atoms(symbol, positions=[[0.0, 0.0, 0.0]]), calculator, "isolated_atom", multiplicity=multiplicity
        )


def ethanol_trajectory(
    temperature: int, start_dihedral: float, rng: np.random.Generator
) -> Iterator[tuple[float, Atoms]]:
    """Run Langevin dynamics of one molecule from one rotamer; yield (time after equilibration in fs, structure)."""
    atoms = molecule("CH3CH2OH")
    methyl_carbon, hydroxyl_carbon, oxygen, hydroxyl_hydrogen = range(4)
    atoms.set_dihedral(
        methyl_carbon, hydroxyl_carbon, oxygen, hydroxyl_hydrogen, start_dihedral, indices=[hydroxyl_hydrogen]
    )
    atoms.calc = gfn2()
    dynamics = Langevin(
        atoms,
        timestep=ETHANOL_TIME_STEP * units.fs,
        temperature_K=temperature,
        friction=ETHANOL_FRICTION / units.fs,
        fixcm=False,
        rng=rng,
    )
    dynamics.run(ETHANOL_EQUILIBRATION)
    for index in range(ETHANOL_FRAMES_PER_TRAJECTORY):
        dynamics.run(ETHANOL_SPACING)
        centered = atoms.copy()
        centered.positions -= atoms.get_center_of_mass()
        yield (index + 1) * ETHANOL_SPACING * ETHANOL_TIME_STEP, centered


def make_ethanol() -> list[Atoms]:
    """Create the isolated atoms, then all trajectories at all temperatures."""
    frames = list(ethanol_isolated_atoms())
    trajectory = 0
    for temperature in ETHANOL_TEMPERATURES:
        for dihedral in ETHANOL_DIHEDRALS:
            rng = np.random.default_rng((ETHANOL_SEED, trajectory))
            for time, atoms in ethanol_trajectory(temperature, dihedral, rng):
                # A new calculator per frame, so that no label depends on the wave function of the previous frame.
                calculator = gfn2(accuracy=LABEL_ACCURACY)
                frames.append(labeled(atoms, calculator, f"{temperature}K", trajectory=trajectory, time_fs=time))
            trajectory += 1
    return frames


def make_distorted_ethanol() -> list[Atoms]:
    """Create the structures of `distorted_ethanol.py`, except those whose wave function does not converge."""
    from distorted_ethanol import structures  # in the folder of this file, which is on the path of a script

    frames = []
    for origin, atoms in structures(gfn2):
        try:
            frame = labeled(atoms, gfn2(accuracy=LABEL_ACCURACY), "", origin=origin)
        except CalculationFailed:
            continue
        force = float(np.linalg.norm(frame.get_forces(), axis=1).max())
        frame.info["config_type"] = f"forces_{next(limit for limit in DISTORTED_FORCES if force <= limit)}"
        frames.append(frame)
    return frames


# --- copper -----------------------------------------------------------------------------------------------------------
# The docstrings of the classes are part of the card.


def copper_cubic(repeats: int, stretch: float = 1.0) -> Atoms:
    """Create the conventional fcc cell (4 atoms), stretched and repeated."""
    return bulk("Cu", "fcc", a=COPPER_LATTICE_CONSTANT * stretch, cubic=True) * (repeats, repeats, repeats)


def copper_bulk(rng: np.random.Generator) -> Iterator[Atoms]:
    """Seven volumes, each perfect (4 atoms) and rattled by 0.02 to 0.12 Å (4 and 32 atoms)."""
    for stretch in COPPER_ISOTROPIC_STRETCHES:
        yield copper_cubic(1, stretch)
        for repeats, count in ((1, 2), (2, 6)):
            for _ in range(count):
                atoms = copper_cubic(repeats, stretch)
                atoms.rattle(rng.uniform(0.02, 0.12), rng=rng)
                yield atoms


def copper_strained(rng: np.random.Generator) -> Iterator[Atoms]:
    """Cell deformed by 1 + u, the nine u uniform in ±0.06 (triclinic); rattled by 0.01 to 0.08 Å (8 and 32 atoms)."""
    primitive = bulk("Cu", "fcc", a=COPPER_LATTICE_CONSTANT) * (2, 2, 2)
    for atoms in [primitive.copy() for _ in range(40)] + [copper_cubic(2) for _ in range(40)]:
        deformation = np.eye(3) + rng.uniform(-0.06, 0.06, (3, 3))
        atoms.set_cell(atoms.cell.array @ deformation.T, scale_atoms=True)
        atoms.rattle(rng.uniform(0.01, 0.08), rng=rng)
        yield atoms


def copper_vacancy(rng: np.random.Generator) -> Iterator[Atoms]:
    """One of 32 atoms removed; lattice scaled by a factor of 0.97 to 1.03, rattled by 0.02 to 0.12 Å."""
    for _ in range(50):
        atoms = copper_cubic(2, rng.uniform(0.97, 1.03))
        del atoms[int(rng.integers(len(atoms)))]
        atoms.rattle(rng.uniform(0.02, 0.12), rng=rng)
        yield atoms


def copper_surface(rng: np.random.Generator) -> Iterator[Atoms]:
    """Slabs (111), (100), (110), periodic in the plane; scaled by 0.97 to 1.03, rattled by 0.02 to 0.12 Å."""
    for build, size in ((fcc111, (2, 2, 4)), (fcc100, (2, 2, 4)), (fcc110, (2, 2, 5))):
        for _ in range(25):
            atoms = build("Cu", size, a=COPPER_LATTICE_CONSTANT * rng.uniform(0.97, 1.03), vacuum=COPPER_VACUUM)
            atoms.rattle(rng.uniform(0.02, 0.12), rng=rng)
            yield atoms


def copper_liquid(rng: np.random.Generator) -> Iterator[Atoms]:
    """Langevin dynamics of 32 atoms at three volumes: melted, cooled, then sampled; wrapped into the cell."""
    for volume in LIQUID_VOLUMES:
        atoms = copper_cubic(2, (4.0 * volume) ** (1.0 / 3.0) / COPPER_LATTICE_CONSTANT)
        atoms.calc = EMT()
        dynamics = Langevin(
            atoms,
            timestep=LIQUID_TIME_STEP * units.fs,
            temperature_K=LIQUID_MELTING_TEMPERATURE,
            friction=LIQUID_FRICTION / units.fs,
            fixcm=False,
            rng=rng,
        )
        dynamics.run(LIQUID_EQUILIBRATION)
        dynamics.set_temperature(temperature_K=LIQUID_TEMPERATURE)
        dynamics.run(LIQUID_EQUILIBRATION)
        for _ in range(LIQUID_FRAMES_PER_VOLUME):
            dynamics.run(LIQUID_SPACING)
            wrapped = atoms.copy()
            wrapped.wrap()
            yield wrapped


COPPER_CLASSES: dict[str, Callable[[np.random.Generator], Iterator[Atoms]]] = {
    "bulk": copper_bulk,
    "strained": copper_strained,
    "vacancy": copper_vacancy,
    "surface": copper_surface,
    "liquid": copper_liquid,
}


def make_copper() -> list[Atoms]:
    """Create the isolated atom, then every class; classes have separate random streams and do not affect each other."""
    frames = [labeled(Atoms("Cu", positions=[[0.0, 0.0, 0.0]]), EMT(), "isolated_atom")]
    for index, (config_type, structures) in enumerate(COPPER_CLASSES.items()):
        rng = np.random.default_rng((COPPER_SEED, index))
        frames += [labeled(atoms, EMT(), config_type) for atoms in structures(rng)]
    return frames


# --- cards ------------------------------------------------------------------------------------------------------------


def class_table(frames: Sequence[Atoms]) -> str:
    """Write a Markdown table with number and sizes of frames and ranges of labels for each config_type."""
    rows = [
        "| config_type | frames | atoms | periodic | energy per atom (eV) | largest force (eV/Å) | stress (eV/Å³) |",
        "|---|---|---|---|---|---|---|",
    ]
    for config_type in dict.fromkeys(frame.info["config_type"] for frame in frames):
        members = [frame for frame in frames if frame.info["config_type"] == config_type]
        sizes = ", ".join(str(size) for size in sorted({len(frame) for frame in members}))
        periodic = "".join("T" if flag else "F" for flag in members[0].pbc)
        energies = [frame.get_potential_energy() / len(frame) for frame in members]
        force = max(float(np.linalg.norm(frame.get_forces(), axis=1).max()) for frame in members)
        stress = "none"
        if members[0].pbc.all():
            values = np.array([frame.get_stress() for frame in members])
            stress = f"{values.min():.3f} to {values.max():.3f}"
        rows.append(
            f"| {config_type} | {len(members)} | {sizes} | {periodic} | {min(energies):.4f} to {max(energies):.4f} "
            f"| {force:.2f} | {stress} |"
        )
    return "\n".join(rows)


def card_tail(name: str, packages: Sequence[str], *, stress: bool = False) -> str:
    """Write the last sections of a card: units and keys (`stress` if there is any), how it was made, license."""
    keys = (
        "`energy`, `forces` and `stress` (ASE reads them into\n`atoms.calc`), and `config_type`"
        if stress
        else "`energy` and `forces` (ASE reads them into `atoms.calc`),\nand `config_type`"
    )
    computed = "Labels were computed at the positions as written (8 decimals)."
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    programs = (
        "The programs that computed it (tblite: LGPL-3.0-or-later,\nASE: LGPL-2.1-or-later) place no condition on "
        "their output."
        if "tblite" in packages
        else "The program that computed it (ASE: LGPL-2.1-or-later)\nplaces no condition on its output."
    )
    return f"""## Units and keys

Energy in eV, forces in eV/Å, positions and cells in Å. Keys: {keys}. {computed}

## How it was made

    python scripts/make_builtin_data.py --only {name}

with {versions}, Python {platform.python_version()}. On the same machine with
the same versions, files are bitwise identical; on another processor, rounding may lead the molecular dynamics to other
frames of the same distribution.

## License

CC0 1.0. Computed for this package; no third-party data. {programs}
"""


def ethanol_card(frames: Sequence[Atoms]) -> str:
    """Write the card of `builtin:ethanol`."""
    temperatures = " and ".join(f"{temperature} K" for temperature in ETHANOL_TEMPERATURES)
    multiplicities = ", ".join(f"{symbol} {value}" for symbol, value in MULTIPLICITIES.items())
    dihedrals = ", ".join(f"{angle:.0f}°" for angle in ETHANOL_DIHEDRALS)
    equilibration = ETHANOL_EQUILIBRATION * ETHANOL_TIME_STEP / 1000
    spacing = ETHANOL_SPACING * ETHANOL_TIME_STEP
    last_trajectory = len(ETHANOL_DIHEDRALS) * len(ETHANOL_TEMPERATURES) - 1
    return f"""# builtin:ethanol

{len(frames)} frames: one ethanol molecule (C2H6O, not periodic) from molecular dynamics at {temperatures},
and the isolated atoms H, C and O.

## Level of theory

GFN2-xTB (Bannwarth, Ehlert, Grimme, J. Chem. Theory Comput. 2019, 15, 1652) by tblite, electronic temperature 300 K.
Labels: SCF accuracy factor {LABEL_ACCURACY}, each frame calculated from scratch. The molecule is a singlet; the
isolated atoms have the multiplicity of their ground states ({multiplicities}; key `multiplicity`).
GFN2-xTB has no energy term that depends on spin, so the multiplicity only sets the occupation of the orbitals: for C
and O the triplet lies 0.05 eV above the fractionally occupied singlet, whose energy contains the electronic entropy.

## Protocol

Langevin dynamics (ASE), time step {ETHANOL_TIME_STEP} fs, friction {ETHANOL_FRICTION} /fs, SCF accuracy factor 1.
At each temperature {len(ETHANOL_DIHEDRALS)} independent trajectories, started at rest from C-C-O-H dihedrals of
{dihedrals} (anti, the two gauche forms, anti). Each is equilibrated for {equilibration:.0f} ps, then
gives {ETHANOL_FRAMES_PER_TRAJECTORY} frames, one every {spacing:.0f} fs, center of mass at the origin.
The keys `trajectory` (0 to {last_trajectory}) and `time_fs` give the origin of a frame.
Consecutive frames are still correlated: a test set of whole trajectories is stricter.
Few frames are anti (0.067 eV above gauche in GFN2-xTB).
Seeds: `numpy.random.default_rng(({ETHANOL_SEED}, trajectory))`.

## Contents

{class_table(frames)}

{card_tail("ethanol", ("tblite", "ase", "numpy"))}"""


def distorted_ethanol_card(frames: Sequence[Atoms]) -> str:
    """Write the card of `builtin:ethanol-distorted`."""
    from distorted_ethanol import description

    return f"""{description(frames, LABEL_ACCURACY)}
## Contents

The key `config_type` groups frames by their largest force, up to 10, 100, ... eV/Å, so that `data.weights.groups` can
reduce the weight of frames with large forces.

{class_table(sorted(frames, key=lambda frame: int(frame.info["config_type"].removeprefix("forces_"))))}

{card_tail("ethanol-distorted", ("tblite", "ase", "numpy"))}"""


def copper_card(frames: Sequence[Atoms]) -> str:
    """Write the card of `builtin:copper`."""
    classes = "\n".join(f"- `{name}`: {structures.__doc__}" for name, structures in COPPER_CLASSES.items())
    volumes = ", ".join(str(volume) for volume in LIQUID_VOLUMES)
    equilibration = LIQUID_EQUILIBRATION * LIQUID_TIME_STEP / 1000
    spacing = LIQUID_SPACING * LIQUID_TIME_STEP
    return f"""# builtin:copper

{len(frames)} frames of copper: bulk, strained, vacancy, surface and liquid-like cells, and the isolated atom.

## Level of theory

Effective medium theory (Jacobsen, Stoltze, Nørskov, Surf. Sci. 1996, 366, 394) as in ASE's `EMT()` with its default
cutoff: interactions are switched off smoothly around 5.4 Å and end at 5.88 Å. Energies are relative to EMT's bulk
reference, so the isolated atom has +3.51 eV. EMT is a model potential: the set is good for learning and testing, not
for predictions about copper.

## Classes

{classes}

The lattice constant before stretching is {COPPER_LATTICE_CONSTANT} Å. Rattling adds normal displacements, whose
standard deviation is drawn from the given range. Slabs have {COPPER_VACUUM:.0f} Å of vacuum on either side and no
stress label, since their volume is arbitrary. Liquid: {volumes} Å³ per atom, time step
{LIQUID_TIME_STEP:.0f} fs, friction {LIQUID_FRICTION} /fs; {equilibration:.0f} ps at {LIQUID_MELTING_TEMPERATURE:.0f} K,
{equilibration:.0f} ps at {LIQUID_TEMPERATURE:.0f} K, then a frame every {spacing:.0f} fs.
Seeds: `numpy.random.default_rng(({COPPER_SEED}, class))`, classes counted from 0 in the order above.

## Contents

{class_table(frames)}

Stress is dE/dε divided by the volume (ASE's sign: tension positive), as 3x3 in the file.

{card_tail("copper", ("ase", "numpy"), stress=True)}"""


# --- command line -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """Functions that generate one data set and its card."""

    frames: Callable[[], list[Atoms]]
    card: Callable[[Sequence[Atoms]], str]


RECIPES = {
    "ethanol": Recipe(make_ethanol, ethanol_card),
    "ethanol-distorted": Recipe(make_distorted_ethanol, distorted_ethanol_card),
    "copper": Recipe(make_copper, copper_card),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and write the selected data sets."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Ethanol needs the package tblite (pip install 'potentials[builtin-data]').",
    )
    parser.add_argument("--only", choices=tuple(RECIPES), help="generate only this data set (default: all)")
    parser.add_argument(
        "--output", type=Path, default=DEFAULT_OUTPUT, metavar="DIR", help="folder to write to (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    for name in [options.only] if options.only else RECIPES:
        frames = RECIPES[name].frames()
        data_path, card_path = options.output / f"{name}.extxyz.gz", options.output / f"{name}.md"
        write_frames(frames, data_path)
        card_path.write_text(RECIPES[name].card(frames), encoding="utf-8")
        print(f"{data_path}: {len(frames)} frames, {data_path.stat().st_size / 1000:.0f} kB; card: {card_path}")


if __name__ == "__main__":
    main()
