"""ASE's constraints in dynamics and relaxation: which are supported, what they fix, and their errors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import numpy as np
from ase import Atoms
from ase.constraints import (
    FixAtoms,
    FixCartesian,
    FixConstraint,
    FixedLine,
    FixedMode,
    FixedPlane,
    FixScaled,
    dict2constraint,
)
from ase.io.jsonio import decode, encode

from potentials.errors import SimulationError

_OF_SINGLE_ATOMS = (FixAtoms, FixCartesian, FixScaled, FixedLine, FixedPlane)
_ORDINARY_ERRORS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
    np.linalg.LinAlgError,
)
_SMALL = 1e-4
"""A; displacements small enough to be equivalent to velocities."""
_TOLERANCE = 1e-3


def constraint_descriptions(atoms: Atoms) -> list[str]:
    """Describe each constraint of a structure as JSON text; equal constraints have equal descriptions.

    Raises:
        SimulationError: a constraint cannot be stored in files.
    """
    return [_description(constraint) for constraint in atoms.constraints]


def check_dynamics_constraints(atoms: Atoms) -> None:
    """Check that molecular dynamics supports the constraints of a structure and can store them.

    Raises:
        SimulationError: a constraint cannot be used in dynamics, refers to atoms that do not exist, or cannot be
            stored; the message names it.
    """
    check_constraint_atoms(atoms)
    advice = "remove it from the structure or use another, such as FixAtoms"
    for constraint in atoms.constraints:
        name = constraint_name(constraint)
        _description(constraint)
        try:
            constraint.get_removed_dof(atoms)
        except NotImplementedError as error:
            raise SimulationError(
                f"ASE does not support molecular dynamics with the constraint {name}; {advice}"
            ) from error
        with constraint_errors(atoms):
            consistent = _is_consistent(constraint, atoms)
        if not consistent:
            raise SimulationError(
                f"ASE's {name} does not constrain positions and velocities of this structure consistently: energy "
                f"would not be conserved and the temperature would be wrong; {advice}"
            )


def _is_consistent(constraint: FixConstraint, atoms: Atoms) -> bool:
    """Return whether a small displacement d and momenta m d are constrained equally, and zero momenta remain zero.

    Several of ASE's constraints treat momenta like forces, which is correct only for some cells and masses.
    """
    constraint = deepcopy(constraint)
    momenta = np.zeros((len(atoms), 3))
    constraint.adjust_momenta(atoms, momenta)
    if momenta.any():
        return False
    if hasattr(constraint, "redistribute_forces_md"):
        return True  # its displacements result from forces, which it has changed before
    displacement = np.random.default_rng(0).standard_normal((len(atoms), 3))
    positions = atoms.positions + _SMALL * displacement
    constraint.adjust_positions(atoms, positions)
    masses = atoms.get_masses()[:, None]
    momenta = masses * displacement
    constraint.adjust_momenta(atoms, momenta)
    difference = (positions - atoms.positions) / _SMALL - momenta / masses
    return bool(np.abs(difference).max() < _TOLERANCE)


def check_constraint_atoms(atoms: Atoms) -> None:
    """Check that the constraints of a structure refer to existing atoms.

    Raises:
        SimulationError: one does not; the message names it.
    """
    count = len(atoms)
    for constraint in atoms.constraints:
        indices = np.atleast_1d(np.asarray(_indices(constraint), dtype=int))
        strangers = sorted({int(index) for index in indices if not -count <= index < count})
        if strangers:
            raise SimulationError(
                f"the constraint {constraint_name(constraint)} refers to atom {strangers[0]}, but the structure has "
                f"atoms 0 to {count - 1}; correct or remove the constraint"
            )
        if isinstance(constraint, FixedMode) and constraint.mode.size != 3 * count:
            raise SimulationError(
                f"the constraint FixedMode is for {constraint.mode.size // 3} atoms, but the structure has {count}; "
                "correct or remove the constraint"
            )


def removed_degrees_of_freedom(atoms: Atoms) -> int:
    """Count the degrees of freedom (of 3N momenta) removed by the constraints of a structure.

    Constraints of single atoms are counted by the rank of the remaining momentum of each atom, so that atoms in several
    constraints count once. Others are counted by ASE, which is correct if they do not overlap, except for `FixedMode`,
    which removes one.
    """
    momenta = np.zeros((3, len(atoms), 3))
    removed = 0
    with constraint_errors(atoms):
        for axis in range(3):
            momenta[axis, :, axis] = 1.0
            for constraint in atoms.constraints:
                if isinstance(constraint, _OF_SINGLE_ATOMS):
                    constraint.adjust_momenta(atoms, momenta[axis])
        for constraint in atoms.constraints:
            if isinstance(constraint, FixedMode):
                removed += 1
            elif not isinstance(constraint, _OF_SINGLE_ATOMS):
                removed += int(constraint.get_removed_dof(atoms))
    ranks = np.linalg.matrix_rank(momenta.transpose(1, 0, 2), tol=1e-6)
    return min(removed + int((3 - ranks).sum()), 3 * len(atoms))


def constraint_name(constraint: FixConstraint) -> str:
    """Return the name of a constraint in messages."""
    return type(constraint).__name__


@contextmanager
def constraint_errors(atoms: Atoms) -> Iterator[None]:
    """Convert errors of ASE's constraints, such as failed convergence, to errors for users within this context.

    Raises:
        SimulationError: a constraint failed.
    """
    try:
        yield
    except _ORDINARY_ERRORS as error:
        if not _raised_by_constraints(error):
            raise
        names = ", ".join(sorted({constraint_name(constraint) for constraint in atoms.constraints}))
        reason = str(error) or type(error).__name__
        raise SimulationError(
            f"the constraints of the structure ({names}) cannot be satisfied; ASE reports: {reason}. Check their "
            "atoms and values, use a shorter time step, or remove them"
        ) from error


def _description(constraint: FixConstraint) -> str:
    name = constraint_name(constraint)
    try:
        text = encode(constraint.todict())
        stored: Any = decode(text)
        dict2constraint(stored)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SimulationError(
            f"the constraint {name} cannot be stored in a trajectory, so the run could not be continued; remove it "
            "from the structure or use another, such as FixAtoms"
        ) from error
    return json.dumps(json.loads(text), sort_keys=True)


def _indices(constraint: FixConstraint) -> Any:
    if not hasattr(constraint, "get_indices"):
        return getattr(constraint, "indices", [])
    return constraint.get_indices()


def _raised_by_constraints(error: BaseException) -> bool:
    """Return whether an error was raised by ASE's constraints or code called by them, other than the calculator."""
    traceback, inside = error.__traceback__, False
    while traceback is not None:
        module = str(traceback.tb_frame.f_globals.get("__name__", ""))
        if module.startswith("ase.constraints"):
            inside = True
        elif inside and module.startswith(("potentials.", "torch.")):
            return False  # some constraints call the calculator
        traceback = traceback.tb_next
    return inside
