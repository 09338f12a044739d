"""From a configuration to data ready for training: read, labelled, divided, checked, with every `auto` resolved."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase.data import atomic_numbers

from potentials.config.data import DataConfig
from potentials.config.families import FamilyConfig
from potentials.config.run import RunConfig
from potentials.data.audit.checks import (
    check_cutoff,
    check_elements,
    check_elements_of_part,
    check_neighbors,
    structure_hash,
)
from potentials.data.audit.quick import brief_audit
from potentials.data.findings import Findings
from potentials.data.graph import AtomicGraph
from potentials.data.index import Say
from potentials.data.infer import Statistics, find_reference_energies, gather_statistics
from potentials.data.split.drawing import describe_splits
from potentials.data.split.lazy_frames import LazyFrames
from potentials.data.split.part_facts import (
    Frames,
    elements_of,
    graphs_of,
    groups_of,
    leaks,
    sampled,
    sampled_graphs,
    with_rare_elements,
)
from potentials.data.split.parts import Parts, divide, named_parts, split_seed
from potentials.errors import DataError
from potentials.units import LENGTH_IN_ANGSTROM

LARGEST_RESIDUAL = 30.0
"""eV per atom; no cohesive energy comes near, so E0 and energies that differ more are of different levels or units."""


@dataclass(frozen=True, eq=False)
class PreparedData:
    """Everything known about the data before training starts."""

    config: RunConfig
    """The resolved configuration: elements, average_neighbors, scale, shift and reference_energies are values."""
    train: Frames
    validation: Frames
    tests: dict[str, Frames]
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
    train_graphs: Sequence[AtomicGraph]
    """Graphs of `train` for the resolved elements and cutoff, groups numbered by `groups`."""
    groups: list[str]
    """Names of the groups of all parts, in alphabetical order."""


def prepare(config: RunConfig, say: Say = lambda text: None) -> PreparedData:
    """Read and check the data of a run and infer from it what the configuration leaves open.

    The result depends on the configuration and the contents of the files only. Preparing the resolved configuration
    again gives the same result.

    Of frames that stay in their files (`data.loading`) everything is known that their index says; what else is needed
    comes from a sample of `SAMPLED_FRAMES`, and notes say with which standard error.

    Args:
        config: of the run.
        say: told how far it is, where that takes long.

    Raises:
        DataError: anything that is wrong with the data; see the modules of this room.
    """
    findings = Findings()
    check_cutoff(config.model.cutoff)
    parts = divide(config, findings, say)
    _check_loss(config, findings)
    groups = groups_of(dict(named_parts(parts)))
    _check_group_weights(config.data, groups)
    elements = _resolve_elements(config.model, parts, findings)
    some = {part: sampled(frames, config.seed) for part, frames in named_parts(parts)}
    brief_audit(some, findings, leaks(dict(named_parts(parts)), LENGTH_IN_ANGSTROM[config.data.length_unit]))

    train, population = some["training"], len(parts.train)
    energies = find_reference_energies(
        config.data.reference_energies,
        elements,
        with_rare_elements(train, parts.train, config.seed),
        parts.isolated_atoms,
        findings,
        population,
    )
    graphs = graphs_of(parts.train, elements, config.model.cutoff, groups)
    statistics = gather_statistics(sampled_graphs(graphs, config.seed), elements, energies, population)
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
        splits=describe_splits(split_seed(config), parts.train, parts.validation, parts.tests, parts.isolated_atoms),
        fingerprint=fingerprint(parts.train),
        statistics=statistics,
        train_graphs=graphs,
        groups=groups,
    )


def fingerprint(frames: Frames) -> str:
    """sha256 over structures, labels and weights, in order; of frames in files over all that these say of them."""
    if isinstance(frames, LazyFrames):
        return frames.fingerprint()
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


def _check_group_weights(data: DataConfig, known: Sequence[str]) -> None:
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
    trained = sorted(elements_of(parts.train), key=lambda symbol: atomic_numbers[symbol])
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
    errors = statistics.standard_errors
    neighbors_error, scale_error, shift_error = "", "", ""
    if errors is not None:
        frames = f"a sample of {statistics.num_frames} of {errors.frames} training frames"
        neighbors_error = f"; standard error {errors.average_neighbors:.2g}"
        scale_error = f"; standard error {errors.forces_rms:.2g} eV/A" if statistics.forces_rms > 0 else ""
        shift_error = f"; standard error {errors.residual_mean:.2g} eV"
    values: dict[str, Any] = {"elements": elements}
    if model.average_neighbors == "auto":
        values["average_neighbors"] = statistics.average_neighbors
        findings.note(
            f"model.average_neighbors = {statistics.average_neighbors:.2f} (mean over {frames} within "
            f"{model.cutoff:g} A{neighbors_error})"
        )
    if model.scale == "auto":
        values["scale"], reason = _scale(statistics, frames)
        findings.note(f"model.scale = {values['scale']:.4g} eV ({reason}{scale_error})")
    if model.shift == "auto":
        known = np.isfinite(statistics.residual_mean)
        # Least squares leaves a mean of rounding errors only; adding 0.0 makes a negative zero positive.
        values["shift"] = round(statistics.residual_mean, 9) + 0.0 if known else 0.0
        reason = "there are no energies"
        if known:
            reason = f"mean of (energy - reference energies) per atom over {frames}{shift_error}"
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
