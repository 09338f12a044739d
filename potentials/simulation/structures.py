"""The initial structure of a simulation."""

from __future__ import annotations

import math
import re

from ase import Atoms
from ase.constraints import FixConstraint

from potentials.data.read import read_frames
from potentials.errors import SimulationError
from potentials.simulation.constraints import constraint_name

MOST_ATOMS = 10_000_000


def read_structure(file: str, index: int = -1, supercell: str = "1 1 1") -> Atoms:
    """Read one structure from a file and repeat it.

    Args:
        file: anything ASE reads, or `builtin:NAME`.
        index: number of the frame, from 0; negative counts from the end.
        supercell: three repetitions along the cell vectors, such as `2 2 1`.

    Raises:
        DataError: the file cannot be read, or has no such frame.
        SimulationError: the supercell is invalid or too large, repeats a direction that is not periodic, or the
            structure has constraints that ASE cannot repeat.
    """
    repeat = _repetitions(supercell)
    atoms = read_frames(f"{file}@{index}")[0].atoms
    if any(count > 1 and not periodic for count, periodic in zip(repeat, atoms.pbc, strict=True)):
        raise SimulationError(
            f'supercell "{supercell}" repeats a direction that is not periodic: the structure has '
            f"pbc = {atoms.pbc.tolist()}"
        )
    num_atoms = len(atoms) * math.prod(repeat)
    if num_atoms > MOST_ATOMS:
        raise SimulationError(
            f'supercell "{supercell}" gives {num_atoms:.3g} atoms from {len(atoms)}; at most {MOST_ATOMS:.0e} '
            "are allowed"
        )
    return atoms if repeat == (1, 1, 1) else _repeated(atoms, repeat, supercell)


def _repeated(atoms: Atoms, repeat: tuple[int, int, int], supercell: str) -> Atoms:
    try:
        return atoms.repeat(repeat)
    except NotImplementedError as error:
        names = {constraint_name(one) for one in atoms.constraints if type(one).repeat is FixConstraint.repeat}
        raise SimulationError(
            f'supercell "{supercell}": ASE cannot repeat the constraint {", ".join(sorted(names))} of the structure; '
            "create the supercell first and constrain it, or remove the constraint"
        ) from error


def _repetitions(supercell: str) -> tuple[int, int, int]:
    numbers = re.split(r"[\sx,]+", supercell.strip())
    if len(numbers) != 3 or not all(number.isdecimal() and len(number) < 8 and int(number) > 0 for number in numbers):
        raise SimulationError(f'supercell: expected three positive integers such as "2 2 2", got "{supercell}"')
    return int(numbers[0]), int(numbers[1]), int(numbers[2])
