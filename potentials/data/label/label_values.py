"""Labels found in a frame by key and converted to arrays of the right shape and unit."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from potentials.config.data.labels import EnergyLabel, ForcesLabel, StressLabel, VirialLabel
from potentials.config.messages.descriptions import shortened
from potentials.data.builtin import BUILTIN_PREFIX
from potentials.data.findings import Findings
from potentials.data.read import Frame, frame_list
from potentials.data.stores import STORE_SUFFIXES
from potentials.errors import DataError
from potentials.units import ENERGY_IN_EV, FORCE_IN_EV_PER_ANGSTROM, STRESS_IN_EV_PER_CUBIC_ANGSTROM

ASE_ORDER = "xx yy zz yz xz xy"
LARGEST_LABEL = 1e15
"""In any unit: squares and sums of larger numbers lose precision."""
_MOST_KEYS = 30
"""Number of keys listed in a message."""
_AXIS = {"x": 0, "y": 1, "z": 2}
_STRUCTURE_ARRAYS = ("numbers", "positions")
_AS_WRITTEN = {".traj", ".db", ".json", *STORE_SUFFIXES}
"""Formats that store calculator results as they were written."""
_FORMATS_OF_ASE = {".xyz", ".extxyz"} | _AS_WRITTEN


def find_value(atoms: Atoms, key: str) -> Any | None:
    """Return the value under `key`: a calculator result, an entry of `atoms.info` or an array; None if missing."""
    for place in _places(atoms).values():
        if place.get(key) is not None:
            return place[key]
    return None


def find_values(frames: Sequence[Frame], key: str, config_key: str, required: bool) -> list[Any | None]:
    """Return the value under `key` in each frame, None where it is missing.

    Raises:
        DataError: no frame has it although it is `required`; the message lists the existing keys.
    """
    values = [find_value(frame.atoms, key) for frame in frames]
    if required and all(value is None for value in values):
        raise DataError(_missing_key(frames, key, config_key))
    return values


def read_energies(frames: Sequence[Frame], label: EnergyLabel, required: bool) -> NDArray[np.float64]:
    """Read energies in eV, [frames]; NaN where missing."""
    values = find_values(frames, label.key, "data.energy", required)
    parsed = _parse_all(frames, values, f'energy "{label.key}"', lambda value, frame: _scalar(value))
    factor = ENERGY_IN_EV[label.unit]
    return np.array([np.nan if value is None else factor * float(value) for value in parsed])


def read_forces(frames: Sequence[Frame], label: ForcesLabel, required: bool) -> list[NDArray[np.float64]]:
    """Read forces in eV/A, [N, 3] each; NaN where missing."""
    values = find_values(frames, label.key, "data.forces", required)
    parsed = _parse_all(frames, values, f'forces "{label.key}"', _forces)
    factor = FORCE_IN_EV_PER_ANGSTROM[label.unit]
    return [
        np.full((len(frame.atoms), 3), np.nan) if value is None else factor * value
        for frame, value in zip(frames, parsed, strict=True)
    ]


def read_stresses(
    frames: Sequence[Frame], label: StressLabel | VirialLabel, required: bool, findings: Findings
) -> list[NDArray[np.float64]]:
    """Read stresses in eV/A^3 with ASE's sign, [3, 3] each; NaN where missing and in frames not periodic in 3D.

    Raises:
        DataError: no frame has the key although it is `required`, no frame is periodic in three directions, or a value
            has the wrong shape or is out of range.
    """
    name = "virial" if isinstance(label, VirialLabel) else "stress"
    periodic = [bool(frame.atoms.pbc.all()) for frame in frames]
    if required and not any(periodic):
        raise DataError(
            f"data.{name} is set, but none of the {len(frames)} frames is periodic in three directions; the {name} of "
            f"molecules, wires and slabs is not defined; remove data.{name}"
        )
    values = find_values(frames, label.key, f"data.{name}", required)
    ignored = [
        frame for frame, value, full in zip(frames, values, periodic, strict=True) if value is not None and not full
    ]
    if ignored:
        findings.note(f"the {name} of {frame_list(ignored)} is ignored: not periodic in three directions")
    values = [value if full else None for value, full in zip(values, periodic, strict=True)]
    parsed = _parse_all(
        frames, values, f'{name} "{label.key}"', lambda value, frame: stress_matrix(value, _order(frame, label))
    )
    _warn_order(frames, values, label, name, findings)
    _warn_asymmetric(frames, parsed, name, findings)
    return [
        np.full((3, 3), np.nan) if matrix is None else _stress_factor(frame.atoms, label) * (matrix + matrix.T) / 2
        for frame, matrix in zip(frames, parsed, strict=True)
    ]


def warn_converted(
    frames: Sequence[Frame], label: EnergyLabel | ForcesLabel | StressLabel, name: str, findings: Findings
) -> None:
    """Warn where a unit or sign is declared for values that ASE converted when reading.

    ASE's readers of program outputs (VASP and others) return eV, eV/A and eV/A^3 with ASE's sign already; only ASE's
    own formats return values as they were written.
    """
    default = type(label)(key=label.key)
    declared = [
        field for field in ("unit", "sign", "order") if getattr(label, field, None) != getattr(default, field, None)
    ]
    if not declared:
        return
    converted = [
        frame
        for frame in frames
        if _is_result(frame.atoms, label.key)
        and not frame.file.startswith(BUILTIN_PREFIX)
        and not set(Path(frame.file).suffixes) & _FORMATS_OF_ASE
    ]
    if converted:
        applied = [field for field in declared if field != "order"]
        effects = []
        if applied:
            verb = "are" if len(applied) > 1 else "is"
            effects.append(f"the declared {' and '.join(applied)} {verb} applied in addition and {verb} probably wrong")
        if "order" in declared:
            effects.append("the declared order is ignored")
        effect = "; ".join(effects)
        findings.warn(
            f"when reading the program output, ASE already converted the {name} of {frame_list(converted)} to ASE's "
            f"units{'' if isinstance(label, EnergyLabel | ForcesLabel) else ' and sign'}. "
            f"{effect[0].upper()}{effect[1:]}. Remove {'them' if len(declared) > 1 else 'it'} from data.{name}"
        )


def _stress_factor(atoms: Atoms, label: StressLabel | VirialLabel) -> float:
    """Return the factor that converts a stress or virial from its own unit and sign."""
    sign = 1.0 if label.sign == "tension-positive" else -1.0
    if isinstance(label, VirialLabel):
        return sign * ENERGY_IN_EV[label.unit] / atoms.cell.volume
    return sign * STRESS_IN_EV_PER_CUBIC_ANGSTROM[label.unit]


def stress_matrix(value: Any, order: str) -> NDArray[np.float64]:
    """Return a 3x3 matrix from a 3x3 matrix, nine numbers (row by row) or six in the given order.

    Raises:
        ValueError: the value has another shape.
    """
    numbers = _numbers(value)
    if numbers.shape in ((3, 3), (9,)):
        return numbers.reshape(3, 3)
    if numbers.shape != (6,):
        raise ValueError(f"expected 3x3, 9 or 6 numbers, got shape {numbers.shape}")
    matrix = np.zeros((3, 3))
    for number, component in zip(numbers, order.split(), strict=True):
        row, column = (_AXIS[letter] for letter in component)
        matrix[row, column] = matrix[column, row] = number
    return matrix


def _places(atoms: Atoms) -> dict[str, Mapping[str, Any]]:
    """Return the places of labels, in the order in which they are searched."""
    arrays = {key: value for key, value in atoms.arrays.items() if key not in _STRUCTURE_ARRAYS}
    results = {} if atoms.calc is None else atoms.calc.results
    return {"calculator results": results, "info": atoms.info, "arrays": arrays}


def _missing_key(frames: Sequence[Frame], key: str, config_key: str) -> str:
    present: dict[str, set[str]] = {}
    for frame in frames:
        for place, entries in _places(frame.atoms).items():
            present.setdefault(place, set()).update(name for name, value in entries.items() if value is not None)
    names = sorted(set().union(*present.values()))
    folded = {name.lower(): name for name in names}
    nearest = difflib.get_close_matches(key.lower(), folded, n=1, cutoff=0.5) or [
        name for name in folded if key in name
    ]
    listing = "; ".join(f"{place}: {_named(keys)}" for place, keys in present.items() if keys)
    files = sorted({frame.file for frame in frames})
    return (
        f'{config_key}: no frame of {", ".join(files[:5])}{", ..." if len(files) > 5 else ""} has "{key}"'
        + (f'; did you mean "{folded[nearest[0]]}"?' if nearest else ".")
        + f" Available: {listing or 'no labels'}. Give an existing key, or set {config_key} to null to omit the label."
    )


def _named(keys: set[str]) -> str:
    shown = ", ".join(shortened(key) for key in sorted(keys)[:_MOST_KEYS])
    return shown if len(keys) <= _MOST_KEYS else f"{shown} and {len(keys) - _MOST_KEYS} more"


def _parse_all(
    frames: Sequence[Frame],
    values: Sequence[Any | None],
    what: str,
    parse: Callable[[Any, Frame], NDArray[np.float64]],
) -> list[NDArray[np.float64] | None]:
    """Parse all values; raise for a wrong shape or type at once, for out-of-range numbers after all frames.

    NaN marks unknown numbers and is preserved.
    """
    parsed: list[NDArray[np.float64] | None] = []
    infinite: list[Frame] = []
    too_large: list[Frame] = []
    for frame, value in zip(frames, values, strict=True):
        if value is None:
            parsed.append(None)
            continue
        try:
            numbers = parse(value, frame)
        except (ValueError, TypeError) as error:
            raise DataError(f"{frame}: the {what} is not usable: {shortened(str(error))}") from error
        if np.isinf(numbers).any():
            infinite.append(frame)
        elif (np.abs(numbers) > LARGEST_LABEL).any():
            too_large.append(frame)
        parsed.append(numbers)
    if infinite:
        raise DataError(
            f"the {what} is infinite in {frame_list(infinite)}; correct them, or write NaN for unknown values"
        )
    if too_large:
        raise DataError(
            f"the {what} is larger than {LARGEST_LABEL:g} in {frame_list(too_large)}; correct or remove these frames"
        )
    return parsed


def _numbers(value: Any) -> NDArray[np.float64]:
    if np.asarray(value).dtype.kind in "bc":  # such as `energy=T` in extxyz
        raise ValueError(f"expected real numbers, got {value!r}")
    return np.asarray(value, dtype=np.float64)


def _scalar(value: Any) -> NDArray[np.float64]:
    numbers = _numbers(value)
    if numbers.size != 1:
        raise ValueError(f"expected one number, got shape {numbers.shape}")
    return numbers.reshape(())


def _forces(value: Any, frame: Frame) -> NDArray[np.float64]:
    numbers = _numbers(value)
    if numbers.shape != (len(frame.atoms), 3):
        raise ValueError(f"expected shape ({len(frame.atoms)}, 3), one row per atom, got {numbers.shape}")
    return numbers


def _is_result(atoms: Atoms, key: str) -> bool:
    return atoms.calc is not None and atoms.calc.results.get(key) is not None


def _order(frame: Frame, label: StressLabel | VirialLabel) -> str:
    """Return the order of six numbers: ASE's where ASE's reader made them (of nine in extxyz, of a program's output),
    the declared one otherwise, as in `.traj` and `.db`, which store them as written."""
    by_reader = _is_result(frame.atoms, label.key) and not set(Path(frame.file).suffixes) & _AS_WRITTEN
    return ASE_ORDER if by_reader else label.order


def _warn_order(
    frames: Sequence[Frame],
    values: Sequence[Any | None],
    label: StressLabel | VirialLabel,
    name: str,
    findings: Findings,
) -> None:
    """Warn where six numbers in calculator results are not read in ASE's order, in which ASE writes them."""
    if label.order == ASE_ORDER:
        return
    unusual = [
        frame
        for frame, value in zip(frames, values, strict=True)
        if value is not None
        and np.size(value) == 6
        and _is_result(frame.atoms, label.key)
        and _order(frame, label) == label.order
    ]
    if unusual:
        findings.warn(
            f'data.{name}.order: the six numbers of "{label.key}" in {frame_list(unusual)} are calculator results, '
            f'which ASE writes as "{ASE_ORDER}"; they are read as "{label.order}", as declared. Remove the order '
            "unless the program that wrote these files uses another one"
        )


def _warn_asymmetric(
    frames: Sequence[Frame], matrices: Sequence[NDArray[np.float64] | None], name: str, findings: Findings
) -> None:
    asymmetric = [
        frame
        for frame, matrix in zip(frames, matrices, strict=True)
        if matrix is not None
        and not np.isnan(matrix).all()
        and np.nan_to_num(np.abs(matrix - matrix.T)).max() > 0.02 * np.nanmax(np.abs(matrix))
    ]
    if asymmetric:
        findings.warn(f"the {name} of {frame_list(asymmetric)} is not a symmetric matrix; its symmetric part is used")
