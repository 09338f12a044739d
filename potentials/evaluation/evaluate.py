"""Errors of a potential on labeled structures: tables, and files of labels and predictions."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from potentials.config.data import DataConfig
from potentials.config.data.files import Files
from potentials.config.messages.problems import summarize_errors
from potentials.data.batch.batch_limits import BatchLimit
from potentials.data.findings import Findings
from potentials.data.graph import AtomicGraph, collate, graphs_from_frames, group_names
from potentials.data.label import LabeledFrame, find_values, label_frames, separate_isolated_atoms
from potentials.data.read import frame_list, read_frames
from potentials.errors import DataError, ModelFileError
from potentials.evaluation.labeled_predictions import Array, Evaluation, Parity, evaluate_graphs
from potentials.potential import Potential
from potentials.potential.finite_results import check_finite

PARITY_COLUMNS = (
    *("split", "file", "frame", "atoms", "property", "unit", "atom", "element", "component", "label", "prediction"),
)
_COMPONENTS = {"xx": (0, 0), "yy": (1, 1), "zz": (2, 2), "yz": (1, 2), "xz": (0, 2), "xy": (0, 1)}
_OF_TRAINING = ("energy", "forces", "stress", "virial", "length_unit", "group_key")


def evaluate(
    potential: Potential, frames: Sequence[LabeledFrame], *, batch_size: int = 16, split: str = "test"
) -> Evaluation:
    """Compute errors of a potential on labeled frames: of all frames, per element and per configuration group.

    Forces and stresses are computed only if there are labels; missing labels are ignored.

    Args:
        potential: evaluated on its current device, in evaluation mode.
        frames: with labels in eV, eV/A and eV/A^3, such as returned by `label_frames`.
        batch_size: frames per batch; it does not affect the result.
        split: name of these frames in tables.

    Returns:
        The errors, and labels with predictions.

    Raises:
        DataError: there are no frames, or none has a label.
        UnknownElementError: a frame contains an element that the potential does not support.
        SimulationError: the prediction for a frame is not finite, for example because atoms coincide.
    """
    if not any(frame.has_label for frame in frames):
        raise DataError(f"{split}: none of the {len(frames)} frames has an energy, forces or a stress to compare with")
    groups = group_names(frames)
    graphs = graphs_from_frames(frames, potential.elements, potential.cutoff, groups)
    limit = BatchLimit("frames", batch_size)
    found = evaluate_graphs(potential.eval(), graphs, limit=limit, split=split, groups=groups)
    _check_finite(potential, graphs, frames, found.parity)
    return found


def _check_finite(
    potential: Potential, graphs: Sequence[AtomicGraph], frames: Sequence[LabeledFrame], parity: Parity
) -> None:
    predicted = np.isfinite(parity.energy[1])
    for labels, values in (parity.forces, parity.stress):
        wrong = np.isfinite(labels) & ~np.isfinite(values)
        frame = np.repeat(np.arange(len(frames)), parity.atoms) if labels.ndim == 2 else np.arange(len(frames))
        predicted[frame[wrong.reshape(len(wrong), -1).any(axis=1)]] = False
    for number in np.flatnonzero(~predicted)[:1]:
        batch = collate([graphs[number]]).to(potential.scale.device)
        prediction = potential(batch, stress=True, create_graph=False)
        check_finite(prediction, batch, [str(frames[number].frame)].__getitem__)


def label_config(metadata: Mapping[str, Any], **changes: str | None) -> DataConfig:
    """Return the keys and units of the labels: those of the training data, as stored in the metadata, with changes.

    Args:
        metadata: of the potential; without a configuration, ASE's own keys in eV and A are used.
        changes: `energy`, `forces` or `stress`: another key; `energy_unit`, `forces_unit`, `stress_unit`,
            `length_unit`, `group_key`. `None` leaves a setting unchanged. A `stress` replaces a virial.

    Raises:
        DataError: a unit is not known.
        ModelFileError: the metadata contain no valid configuration.
    """
    settings = _settings_of_training(metadata)
    try:
        trained = DataConfig.model_validate({"train": "unused", **settings})
    except ValidationError as error:
        raise ModelFileError(
            f"the label configuration in the model file is not valid: {summarize_errors(error)}"
        ) from error
    if changes.get("stress") is not None:
        settings["virial"] = None
    for name in ("energy", "forces", "stress"):
        label = {"key": changes.get(name), "unit": changes.get(f"{name}_unit")}
        given = {option: value for option, value in label.items() if value is not None}
        if given:
            before = getattr(trained, name)
            settings[name] = {**(before.model_dump() if before else {}), **given}
    settings |= {name: changes[name] for name in ("length_unit", "group_key") if changes.get(name) is not None}
    try:
        return DataConfig.model_validate({"train": "unused", **settings})
    except ValidationError as error:
        raise DataError(summarize_errors(error)) from error


def _settings_of_training(metadata: Mapping[str, Any]) -> dict[str, Any]:
    config = metadata.get("config", {})
    stored = config.get("data", {}) if isinstance(config, dict) else None
    if not isinstance(stored, dict):
        raise ModelFileError("the label configuration in the model file is not valid: expected a mapping")
    heads = stored.get("heads")
    head = heads.get(metadata.get("head"), {}) if isinstance(heads, dict) else {}
    stored = {**stored, **head} if isinstance(head, dict) else stored
    return {name: stored[name] for name in _OF_TRAINING if name in stored}


def read_labeled(
    files: Files, config: DataConfig, required: Sequence[str], findings: Findings | None = None
) -> list[LabeledFrame]:
    """Read frames with the labels they have; isolated atoms are left out, as in training, unless there are only
    isolated atoms.

    Args:
        files: as for `read_frames`.
        config: keys and units of the labels.
        required: names of labels (`energy`, `forces`, `stress`) given by the user; raise if no frame has them.
        findings: receives notes on missing labels.

    Raises:
        DataError: a file cannot be read, or labels are missing or invalid.
    """
    findings = Findings() if findings is None else findings
    frames = read_frames(files)
    for name in required:
        find_values(frames, getattr(config, name).key, name, required=True)
    labeled, isolated = separate_isolated_atoms(label_frames(frames, config, required=False, findings=findings))
    if isolated and labeled:
        findings.note(f"isolated atoms in {frame_list([atom.frame for atom in isolated])} are ignored")
    return labeled or isolated


def write_parity(file: Path, evaluations: Sequence[tuple[Evaluation, Sequence[LabeledFrame]]]) -> None:
    """Write labels and predictions as CSV, one number per row, without entries that have no label.

    Raises:
        DataError: the file cannot be written.
    """
    try:
        with file.open("w", newline="", encoding="utf-8", errors="backslashreplace") as target:
            writer = csv.writer(target)
            writer.writerow(PARITY_COLUMNS)
            for evaluation, frames in evaluations:
                writer.writerows(_rows(evaluation, frames))
    except OSError as error:
        raise DataError(f"{file}: cannot write: {error}") from error


def _rows(evaluation: Evaluation, frames: Sequence[LabeledFrame]) -> Iterator[list[Any]]:
    parity = evaluation.parity
    starts = np.concatenate([[0], np.cumsum(parity.atoms)])
    for number, labeled in enumerate(frames):
        symbols = labeled.frame.atoms.get_chemical_symbols()
        head = [evaluation.errors.split, labeled.frame.file, labeled.frame.index, len(symbols)]
        for cells in _frame_rows(parity, number, slice(starts[number], starts[number + 1]), symbols):
            if not np.isnan(cells[-2]):
                yield [*head, *cells]


def _frame_rows(parity: Parity, number: int, atoms: slice, symbols: Sequence[str]) -> Iterator[list[Any]]:
    yield ["energy", "eV", "", "", "", *_pair(parity.energy, number)]
    for atom, symbol in enumerate(symbols):
        for axis, name in enumerate("xyz"):
            yield ["forces", "eV/A", atom, symbol, name, *_pair(parity.forces, (atoms.start + atom, axis))]
    for name, (row, column) in _COMPONENTS.items():
        yield ["stress", "eV/A^3", "", "", name, *_pair(parity.stress, (number, row, column))]


def _pair(pair: tuple[Array, Array], index: Any) -> tuple[float, float]:
    return float(pair[0][index]), float(pair[1][index])
