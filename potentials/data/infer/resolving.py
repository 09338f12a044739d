"""Replacing what a configuration leaves open by what was inferred."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from potentials.config.data import DataConfig
from potentials.config.run import RunConfig
from potentials.data.findings import Findings
from potentials.data.infer.statistics import Statistics
from potentials.errors import DataError

_LARGEST_RATIO = 8
"""Frames of the largest head in an epoch for each of a head that is repeated automatically."""


def open_keys(config: RunConfig) -> frozenset[str]:
    """The keys whose values are inferred from the training frames, as `model.scale`."""
    keys = {f"model.{name}" for name in ("elements", "average_neighbors", "scale", "shift")}
    found = {key for key in keys if getattr(config.model, key.partition(".")[2]) == "auto"}
    if isinstance(config.data.reference_energies, str):
        found.add("data.reference_energies")
    for name, head in config.data.heads.items():
        # The first head's values are those of the model and data sections, too.
        found |= {"model.scale", "model.shift", "data.reference_energies"}
        names = [key for key in ("repeat", "scale", "shift") if getattr(head, key) == "auto"]
        found |= {f"data.heads.{name}.{key}" for key in names}
        if isinstance(head.reference_energies, str):
            found.add(f"data.heads.{name}.reference_energies")
    return frozenset(found)


def resolve(
    config: RunConfig, elements: list[str], energies: Mapping[str, float], statistics: Statistics, findings: Findings
) -> RunConfig:
    """The configuration with every `auto` replaced, validated again.

    Raises:
        DataError: no atom of any training frame has a neighbor, or `scale` or `shift` is given for some elements only.
    """
    model = config.model
    if statistics.num_edges == 0:
        raise DataError(
            f"no atom of the {statistics.num_frames} training frames has a neighbor within "
            f"model.cutoff = {model.cutoff:g} A; check the unit of length (data.length_unit)"
        )
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
    if model.broken_symmetry is not None:
        findings.note(_symmetry_note(config, *model.broken_symmetry))
    return config.model_copy(
        update={
            "model": type(model).model_validate({**model.model_dump(), **values}),
            "data": DataConfig.model_validate({**config.data.model_dump(), "reference_energies": dict(energies)}),
        }
    )


def resolve_heads(
    config: RunConfig,
    of_heads: Mapping[str, RunConfig],
    shared: Mapping[str, Any],
    frames: Mapping[str, int],
    findings: Findings,
) -> RunConfig:
    """The configuration of a run with several heads, with the values inferred for each.

    Args:
        config: as given.
        of_heads: the resolved configuration of each head.
        shared: values of the model that are inferred from the frames of all heads.
        frames: number of training frames of each head.
        findings: receives each inferred number of repetitions with its reason.
    """
    repeats = {name: _repeat(config.data.heads[name].repeat, name, frames, findings) for name in of_heads}
    heads = {
        name: {
            **config.data.heads[name].model_dump(),
            "reference_energies": resolved.data.reference_energies,
            "repeat": repeats[name],
            "scale": resolved.model.scale,
            "shift": resolved.model.shift,
        }
        for name, resolved in of_heads.items()
    }
    first = next(iter(of_heads.values()))
    data = {**config.data.model_dump(), "reference_energies": first.data.reference_energies, "heads": heads}
    model = {**first.model.model_dump(), **shared}
    return config.model_copy(
        update={"model": type(first.model).model_validate(model), "data": DataConfig.model_validate(data)}
    )


def _repeat(given: int | str, head: str, frames: Mapping[str, int], findings: Findings) -> int:
    """Return how many times an epoch uses each training frame of a head."""
    if isinstance(given, int):
        return given
    largest = max(frames, key=lambda name: frames[name])
    repeat = max(1, round(frames[largest] / (_LARGEST_RATIO * frames[head])))
    reason = f"the head has {frames[head]} training frames, {largest} has {frames[largest]}"
    findings.note(f"data.heads.{head}.repeat = {repeat} (uses of each frame in an epoch; {reason})")
    return repeat


def _symmetry_note(config: RunConfig, symmetry: str, reason: str) -> str:
    how = "frames are not rotated; set it to rotations to train on randomly rotated frames"
    if config.train.augmentation == "rotations":
        how = "in each epoch, each training frame is randomly rotated and mirrored"
    return (
        f"{config.model.name}, as configured, is only approximately symmetric under {symmetry}, because {reason}; the "
        f"error table shows the deviation. train.augmentation = {config.train.augmentation}: {how}"
    )


def _scale(statistics: Statistics, frames: str) -> tuple[float, str]:
    if statistics.forces_rms > 0:
        return statistics.forces_rms, f"RMS force component of {frames}"
    if statistics.residual_std > 1e-12:
        return statistics.residual_std, f"no forces; standard deviation of the energy per atom over {frames}"
    return 1.0, "there are no forces, and the energies do not vary"
