"""From a configuration to data ready for training: read, labelled, divided, checked, with every `auto` resolved."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase.data import atomic_numbers

from potentials.config.data import DataConfig, Files
from potentials.config.families import FamilyConfig
from potentials.config.run import RunConfig
from potentials.data.audit.quick import brief_audit
from potentials.data.checks import (
    check_cutoff,
    check_elements,
    check_elements_of_part,
    check_neighbors,
    structure_hash,
)
from potentials.data.findings import Findings
from potentials.data.frames import frame_list, read_frames
from potentials.data.graph import AtomicGraph, graphs_from_frames, group_names
from potentials.data.isolated_atoms import is_isolated_atom, separate_isolated_atoms
from potentials.data.labels import LabelledFrame, label_frames
from potentials.data.reference_energies import find_reference_energies
from potentials.data.splits import describe_splits, draw_split, draw_subset
from potentials.data.statistics import Statistics, gather_statistics
from potentials.errors import DataError

UNNAMED_TEST = "test"
LARGEST_RESIDUAL = 30.0
"""eV per atom; no cohesive energy comes near, so E0 and energies that differ more are of different levels or units."""


@dataclass(frozen=True, eq=False)
class PreparedData:
    """Everything known about the data before training starts."""

    config: RunConfig
    """The resolved configuration: elements, average_neighbors, scale, shift and reference_energies are values."""
    train: list[LabelledFrame]
    validation: list[LabelledFrame]
    tests: dict[str, list[LabelledFrame]]
    """Named test sets; `test` when unnamed."""
    reference_energies: dict[str, float]
    notes: list[str]
    """Each inferred value with its reason, and what was left out."""
    warnings: list[str]
    splits: dict[str, Any]
    """Can be written as JSON: seed, file names and frame numbers of each part."""
    fingerprint: str
    """sha256 of the training data."""
    statistics: Statistics
    train_graphs: list[AtomicGraph]
    """Graphs of `train` for the resolved elements and cutoff, groups numbered by `groups`."""
    groups: list[str]
    """Names of the groups of all parts, in alphabetical order."""


@dataclass
class Parts:
    """Labelled frames, divided as a run divides them."""

    train: list[LabelledFrame]
    validation: list[LabelledFrame]
    tests: dict[str, list[LabelledFrame]]
    isolated_atoms: list[LabelledFrame]

    def all_frames(self) -> list[LabelledFrame]:
        """Those of all parts, without the isolated atoms."""
        return [*self.train, *self.validation, *(frame for frames in self.tests.values() for frame in frames)]


def prepare(config: RunConfig) -> PreparedData:
    """Read and check the data of a run and infer from it what the configuration leaves open.

    The result depends on the configuration and the contents of the files only. Preparing the resolved configuration
    again gives the same result.

    Raises:
        DataError: anything that is wrong with the data; see the modules of this room.
    """
    findings = Findings()
    check_cutoff(config.model.cutoff)
    parts = divide(config, findings)
    _check_loss(config, findings)
    _check_group_weights(config.data, parts)
    elements = _resolve_elements(config.model, parts, findings)
    brief_audit(dict(named_parts(parts)), findings)

    energies = find_reference_energies(
        config.data.reference_energies, elements, parts.train, parts.isolated_atoms, findings
    )
    groups = group_names(parts.all_frames())
    graphs = graphs_from_frames(parts.train, elements, config.model.cutoff, groups)
    statistics = gather_statistics(graphs, elements, energies)
    check_neighbors(statistics, config.model.cutoff, findings)
    if config.data.reference_energies != "zero":
        _check_residual(statistics, findings)
    resolved = _resolve(config, elements, energies, statistics, findings)
    return PreparedData(
        config=resolved,
        train=parts.train,
        validation=parts.validation,
        tests=parts.tests,
        reference_energies=energies,
        notes=findings.notes,
        warnings=findings.warnings,
        splits=describe_splits(_split_seed(config), parts.train, parts.validation, parts.tests, parts.isolated_atoms),
        fingerprint=fingerprint(parts.train),
        statistics=statistics,
        train_graphs=graphs,
        groups=groups,
    )


def divide(config: RunConfig, findings: Findings) -> Parts:
    """Read all files of a run and divide them into parts; isolated atoms and frames without labels are taken out.

    Raises:
        DataError: a file or label cannot be read, or a part is empty.
    """
    parts = _divide(config.data, _split_seed(config), findings)
    _choose(parts, config, findings)
    return parts


def _split_seed(config: RunConfig) -> int:
    return config.seed if config.data.split_seed is None else config.data.split_seed


def fingerprint(frames: Sequence[LabelledFrame]) -> str:
    """sha256 over structures, labels and weights, in order."""
    digest = hashlib.sha256()
    for labelled in frames:
        digest.update(structure_hash(labelled))
        digest.update(np.asarray(labelled.forces, dtype="<f8").tobytes())
        digest.update(np.asarray(labelled.stress, dtype="<f8").tobytes())
        numbers = [
            labelled.energy,
            labelled.weight,
            labelled.energy_weight,
            labelled.forces_weight,
            labelled.stress_weight,
        ]
        digest.update(np.array(numbers, dtype="<f8").tobytes())
    return digest.hexdigest()


def _divide(data: DataConfig, seed: int, findings: Findings) -> Parts:
    train, isolated = _read_part("training", data.train, data, findings)
    if data.isolated_atoms is not None:
        isolated = [*isolated, *_read_isolated_atoms(data.isolated_atoms, data, findings)]
    validation_wish = data.validation if isinstance(data.validation, int | float) else None
    test_wish = data.test if isinstance(data.test, int | float) else None
    chosen, validation_chosen, test_chosen = draw_split(len(train), seed, validation_wish, test_wish)
    tests: dict[str, list[LabelledFrame]] = {}
    if isinstance(data.validation, int | float):
        validation = [train[i] for i in validation_chosen]
        findings.note(f"validation = {len(validation)} of {len(train)} frames, drawn with seed {seed}")
    else:
        validation, _ = _read_part("validation", data.validation, data, findings)
    if isinstance(data.test, int | float):
        tests[UNNAMED_TEST] = [train[i] for i in test_chosen]
        findings.note(f"test = {len(test_chosen)} of {len(train)} frames, drawn with seed {seed}")
    elif data.test is not None:
        named = data.test if isinstance(data.test, dict) else {UNNAMED_TEST: data.test}
        for name, files in named.items():
            part = UNNAMED_TEST if name == UNNAMED_TEST else f'test "{name}"'
            tests[name], _ = _read_part(part, files, data, findings, required=False)
    return Parts([train[i] for i in chosen], validation, tests, isolated)


def _choose(parts: Parts, config: RunConfig, findings: Findings) -> None:
    """Keep `data.train_size` of the training frames, where that is given."""
    size = config.data.train_size
    if size is None:
        return
    chosen = draw_subset(len(parts.train), config.seed, size)
    findings.note(f"training on {size} of {len(parts.train)} frames, drawn with seed {config.seed}")
    parts.train = [parts.train[i] for i in chosen]


def _read_part(
    part: str, files: Files, data: DataConfig, findings: Findings, required: bool = True
) -> tuple[list[LabelledFrame], list[LabelledFrame]]:
    """The usable frames of a part, and the isolated atoms among its files."""
    of_part = Findings()
    try:
        labelled = label_frames(read_frames(files), data, required=required, findings=of_part)
    except DataError as error:
        raise DataError(f"{part} data: {error}") from error
    findings.notes += [f"{part} data: {note}" for note in of_part.notes]
    findings.warnings += [f"{part} data: {warning}" for warning in of_part.warnings]
    frames, isolated = separate_isolated_atoms(labelled)
    if isolated:
        use = "they give reference energies only" if part == "training" else "they are left out"
        findings.note(f"{part} data: isolated atoms in {frame_list([atom.frame for atom in isolated])}; {use}")
    empty = [frame.frame for frame in frames if not frame.has_label]
    if empty:
        findings.warn(f"{part} data: {frame_list(empty)} without any label are left out")
    frames = [frame for frame in frames if frame.has_label]
    if not frames:
        raise DataError(f"the {part} data are empty: no labelled frame is left that is not an isolated atom")
    return frames, isolated


def _read_isolated_atoms(files: Files, data: DataConfig, findings: Findings) -> list[LabelledFrame]:
    energies_only = data.model_copy(update={"forces": None, "stress": None, "virial": None})
    try:
        frames = label_frames(read_frames(files), energies_only, findings=findings)
    except DataError as error:
        raise DataError(f"data.isolated_atoms: {error}") from error
    others = [frame.frame for frame in frames if not is_isolated_atom(frame)]
    if others:
        raise DataError(f"data.isolated_atoms: {frame_list(others)}: expected single atoms that are not periodic")
    return frames


def named_parts(parts: Parts) -> list[tuple[str, list[LabelledFrame]]]:
    """The parts as messages call them, the training frames first."""
    tests = [(name if name == UNNAMED_TEST else f'test "{name}"', frames) for name, frames in parts.tests.items()]
    return [("training", parts.train), ("validation", parts.validation), *tests]


def _check_loss(config: RunConfig, findings: Findings) -> None:
    """Warn of labels that are read but not trained on; the configuration itself refuses the opposite."""
    losses = [config.loss] + ([config.train.second_stage.loss] if config.train.second_stage else [])
    labels = {
        "energy": config.data.energy,
        "forces": config.data.forces,
        "stress": config.data.stress or config.data.virial,
    }
    for name, label in labels.items():
        if label is not None and all(getattr(loss, name).weight == 0 for loss in losses):
            findings.warn(f"the {name} labels are read and measured but not trained on: loss.{name}.weight = 0")


def _check_group_weights(data: DataConfig, parts: Parts) -> None:
    known = group_names(parts.all_frames())
    for name in data.weights.groups:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            suggestion = f'; did you mean "{nearest[0]}"?' if nearest else ""
            raise DataError(
                f'data.weights.groups: no frame is in the group "{name}" (data.group_key: {data.group_key}; there are: '
                f"{', '.join(known)}){suggestion}"
            )


def _resolve_elements(model: FamilyConfig, parts: Parts, findings: Findings) -> list[str]:
    """The elements of the model by atomic number, after checking those of all parts."""
    found = {symbol for frame in parts.train for symbol in set(frame.frame.atoms.get_chemical_symbols())}
    trained = sorted(found, key=lambda symbol: atomic_numbers[symbol])
    elements = trained
    if isinstance(model.elements, str):
        findings.note(f"model.elements = {', '.join(trained)} (those of {len(parts.train)} training frames)")
    else:
        elements = sorted(model.elements, key=lambda symbol: atomic_numbers[symbol])
        check_elements(elements, parts.train)
    for part, frames in named_parts(parts)[1:]:
        check_elements_of_part(trained, part, frames)
    return elements


def _check_residual(statistics: Statistics, findings: Findings) -> None:
    if abs(statistics.residual_mean) > LARGEST_RESIDUAL:
        findings.warn(
            f"the energies differ from the reference energies by {statistics.residual_mean:.1f} eV per atom, more than "
            "any bond: are both of the same level of theory and in the same unit?"
        )


def _resolve(
    config: RunConfig, elements: list[str], energies: Mapping[str, float], statistics: Statistics, findings: Findings
) -> RunConfig:
    """The configuration with every `auto` replaced, validated again."""
    model = config.model
    frames = f"{statistics.num_frames} training frames"
    values: dict[str, Any] = {"elements": elements}
    if model.average_neighbors == "auto":
        values["average_neighbors"] = statistics.average_neighbors
        findings.note(
            f"model.average_neighbors = {statistics.average_neighbors:.2f} (mean over {frames} within "
            f"{model.cutoff:g} A)"
        )
    if model.scale == "auto":
        values["scale"], reason = _scale(statistics, frames)
        findings.note(f"model.scale = {values['scale']:.4g} eV ({reason})")
    if model.shift == "auto":
        known = np.isfinite(statistics.residual_mean)
        # Least squares leaves a mean of rounding errors only; adding 0.0 makes a negative zero positive.
        values["shift"] = round(statistics.residual_mean, 9) + 0.0 if known else 0.0
        reason = f"mean of (energy - reference energies) per atom over {frames}" if known else "there are no energies"
        findings.note(f"model.shift = {values['shift']:.4g} eV ({reason})")
    for name in ("scale", "shift"):
        given = getattr(model, name)
        missing = [symbol for symbol in elements if isinstance(given, dict) and symbol not in given]
        if missing:
            raise DataError(f"model.{name}: no value is given for {', '.join(missing)}")
    if not model.exactly_symmetric:
        findings.note(_symmetry_note(config))
    return config.model_copy(
        update={
            "model": type(model).model_validate({**model.model_dump(), **values}),
            "data": DataConfig.model_validate({**config.data.model_dump(), "reference_energies": dict(energies)}),
        }
    )


def _symmetry_note(config: RunConfig) -> str:
    how = "frames are trained on as they are; rotations would show it the symmetry"
    if config.train.augmentation == "rotations":
        how = "each training frame is turned and mirrored at random in each epoch"
    return (
        f"{config.model.name}, as configured, is symmetric under rotations only approximately; the table of errors "
        f"says how far it is off. train.augmentation = {config.train.augmentation}: {how}"
    )


def _scale(statistics: Statistics, frames: str) -> tuple[float, str]:
    if statistics.forces_rms > 0:
        return statistics.forces_rms, f"RMS force component of {frames}"
    if statistics.residual_std > 1e-12:
        return statistics.residual_std, f"no forces; standard deviation of the energy per atom over {frames}"
    return 1.0, "neither forces nor energies vary"
