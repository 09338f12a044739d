"""Energies, forces and stresses of frames in eV, A and ASE's sign, with weights and groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from potentials.config.data import DataConfig
from potentials.config.messages.descriptions import counted, shortened
from potentials.data.findings import Findings
from potentials.data.geometry import check_geometry
from potentials.data.label.label_values import (
    find_values,
    read_energies,
    read_forces,
    read_stresses,
    warn_converted,
)
from potentials.data.read import Frame, frame_list
from potentials.errors import DataError
from potentials.units import LENGTH_IN_ANGSTROM

DEFAULT_GROUP = "default"


@dataclass(frozen=True, eq=False)
class LabeledFrame:
    """A frame with its labels; unknown values are NaN."""

    frame: Frame
    """Positions and cell in A."""
    energy: float
    """eV."""
    forces: NDArray[np.float64]
    """[N, 3], eV/A."""
    stress: NDArray[np.float64]
    """[3, 3], eV/A^3, dE/dstrain / volume (tension positive)."""
    weight: float = 1.0
    energy_weight: float = 1.0
    forces_weight: float = 1.0
    stress_weight: float = 1.0
    group: str = DEFAULT_GROUP

    @property
    def has_label(self) -> bool:
        """Whether the frame has a label that is not NaN."""
        return bool(np.isfinite(self.energy) or np.isfinite(self.forces).any() or np.isfinite(self.stress).any())


def label_frames(
    frames: Sequence[Frame], config: DataConfig, *, required: bool = True, findings: Findings | None = None
) -> list[LabeledFrame]:
    """Read the labels named in the configuration and convert them to eV, A, eV/A^3 and ASE's sign.

    A key is searched in the calculator's results, then in `atoms.info` and `atoms.arrays`; there is no fallback to
    other keys. A frame that lacks a key gets NaN. A NaN in the file marks a label, or a component of one, as unknown;
    it does not enter the loss or the errors.

    Args:
        frames: as read, in the configured length unit.
        config: the `data` section.
        required: raise if no frame has a configured key. False for test sets, which may have fewer labels than the
            training set.
        findings: receives notes on missing and ignored labels.

    Returns:
        One labeled frame for each frame, in order.

    Raises:
        DataError: no frame has a key; a label has the wrong shape, is not a number, infinite or too large; a stress is
            configured but no frame is periodic; a weight is invalid; or a periodic structure has no cell.
    """
    findings = Findings() if findings is None else findings
    frames = [_in_angstrom(frame, LENGTH_IN_ANGSTROM[config.length_unit]) for frame in frames]
    missing = float("nan")
    energies = np.full(len(frames), missing)
    forces = [np.full((len(frame.atoms), 3), missing) for frame in frames]
    stresses = [np.full((3, 3), missing) for _ in frames]
    if config.energy is not None:
        energies = read_energies(frames, config.energy, required)
        _note_missing(frames, "energy", np.isnan(energies), findings)
    if config.forces is not None:
        forces = read_forces(frames, config.forces, required)
        _note_missing(frames, "forces", np.array([np.isnan(force).all() for force in forces]), findings)
    for name, label in (("energy", config.energy), ("forces", config.forces), ("stress", config.stress)):
        if label is not None:
            warn_converted(frames, label, name, findings)
    stress_label = config.virial if config.stress is None else config.stress
    if stress_label is not None:
        stresses = read_stresses(frames, stress_label, required, findings)
        _note_missing(frames, "stress", np.array([np.isnan(stress).all() for stress in stresses]), findings)
    note_partly_missing(frames, forces, stresses, findings)
    weights = _weights(frames, config, required)
    groups = _groups(frames, config, required)
    of_groups = [config.weights.of_group(group) for group in groups]
    return [
        LabeledFrame(
            frame=frame,
            energy=float(energies[i]),
            forces=forces[i],
            stress=stresses[i],
            weight=weights["weight"][i],
            energy_weight=weights["energy_weight"][i] * of_groups[i].energy,
            forces_weight=weights["forces_weight"][i] * of_groups[i].forces,
            stress_weight=weights["stress_weight"][i] * of_groups[i].stress,
            group=groups[i],
        )
        for i, frame in enumerate(frames)
    ]


def _in_angstrom(frame: Frame, factor: float) -> Frame:
    atoms = frame.atoms
    if factor != 1.0:
        atoms = atoms.copy()
        atoms.set_cell(frame.atoms.cell * factor)
        atoms.positions = frame.atoms.positions * factor
        atoms.calc = frame.atoms.calc
    try:
        check_geometry(atoms.positions, np.asarray(atoms.cell), np.asarray(atoms.pbc))
    except DataError as error:
        raise DataError(f"{frame}: {error}") from error
    return replace(frame, atoms=atoms)


def _note_missing(frames: Sequence[Frame], name: str, missing: NDArray[np.bool_], findings: Findings) -> None:
    if missing.any():
        without = [frame for frame, lacks in zip(frames, missing, strict=True) if lacks]
        findings.note(f"no {name} in {len(without)} of {len(frames)} frames: {frame_list(without)}")


def note_partly_missing(
    frames: Sequence[Frame],
    forces: Sequence[NDArray[np.float64]],
    stresses: Sequence[NDArray[np.float64]],
    findings: Findings,
) -> None:
    """Note how many components of forces and stresses are NaN in frames where others are known.

    Args:
        frames: frames of the labels.
        forces: [N, 3] each.
        stresses: [3, 3] each.
        findings: receives one note for forces and one for stresses.
    """
    for name, labels in (("forces", forces), ("stress", stresses)):
        missing = [np.isnan(label) for label in labels]
        partly = [k for k, unknown in enumerate(missing) if unknown.any() and not unknown.all()]
        if partly:
            count = sum(int(missing[k].sum()) for k in partly)
            findings.note(
                f"{counted(count, 'component')} of the {name} {'are' if count > 1 else 'is'} NaN in "
                f"{len(partly)} of {len(frames)} frames and excluded from the loss and the errors: "
                f"{frame_list([frames[k] for k in partly])}"
            )


def _groups(frames: Sequence[Frame], config: DataConfig, required: bool) -> list[str]:
    # The default key is a convention that many files do not follow; a key set by the user must exist.
    chosen = config.group_key != DataConfig.model_fields["group_key"].default
    values = find_values(frames, config.group_key, "data.group_key", required and chosen)
    return [DEFAULT_GROUP if value is None else str(value) for value in values]


def _weights(frames: Sequence[Frame], config: DataConfig, required: bool) -> dict[str, list[float]]:
    weights = {}
    for name, option in (
        ("weight", "key"),
        ("energy_weight", "energy_key"),
        ("forces_weight", "forces_key"),
        ("stress_weight", "stress_key"),
    ):
        key = getattr(config.weights, option)
        values = [None] * len(frames) if key is None else find_values(frames, key, f"data.weights.{option}", required)
        weights[name] = [_weight(frame, key, value) for frame, value in zip(frames, values, strict=True)]
    return weights


def _weight(frame: Frame, key: str | None, value: Any) -> float:
    if value is None:
        return 1.0
    try:
        weight = float(value)
    except (TypeError, ValueError) as error:
        raise DataError(f'{frame}: the weight "{key}" is not a number: {shortened(repr(value))}') from error
    if not np.isfinite(weight) or weight < 0:
        raise DataError(f'{frame}: the weight "{key}" is {weight}; expected zero or more')
    return weight
