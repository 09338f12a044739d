"""The runs of a study: one for each variant, number of training frames and seed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from potentials.config import FamilyConfig, RunConfig, family_config, load_config
from potentials.config.messages.descriptions import counted
from potentials.data.prepare import PreparedData, prepare
from potentials.errors import ConfigError, PotentialsError
from potentials.potential import Potential
from potentials.setup.rehearsal import rehearse
from potentials.studies.record import check_record
from potentials.studies.study import Study
from potentials.training.fine_tuning.replay import with_replay
from potentials.training.fine_tuning.starting import starting_baseline
from potentials.training.lifecycle.run_folder import RunFolder

_STEPS_TOLERANCE = 0.03
_MATCH_TOLERANCE = 0.1
_WIDEST = 4096
"""Largest value tried to match numbers of parameters."""


@dataclass(frozen=True)
class StudyRun:
    """One run of a study."""

    variant: str
    size: int
    """Number of training frames."""
    seed: int

    def __str__(self) -> str:
        return f"{self.variant}, {counted(self.size, 'frame')}, seed {self.seed}"


class Plan:
    """A study with all decisions that are common to its runs.

    Args:
        study: as loaded.

    Attributes:
        runs: all runs, smallest training sets first, so that the curves of all variants grow together.

    Raises:
        PotentialsError: the base configuration, a variant or the data are invalid, or the folder contains another
            study.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self.base = load_config(study.base)
        check_record(study, self.base)
        if self.base.data.test is None:
            raise PotentialsError(f"{study.base}: data.test is missing; learning curves need test errors")
        self.runs = [
            StudyRun(variant, size, seed)
            for size in sorted(study.sizes)
            for seed in study.seeds
            for variant in study.variants
        ]
        self._changes = {name: self._variant_changes(name) for name in study.variants}
        self._check_variants()
        # The largest size: checks that there are enough frames, and reports other errors of the data early.
        self._match_parameters(self.prepared(self.runs[-1]).config.model.elements)

    def folder(self, run: StudyRun) -> RunFolder:
        """Return the folder of a run."""
        return RunFolder(str(self.study.folder.resolve() / run.variant / f"{run.size}-{run.seed}"))

    def config(self, run: StudyRun) -> RunConfig:
        """Return the configuration of a run.

        With `time`, the number of epochs is estimated from a few steps on the first call, and then kept.
        """
        config = load_config(self.study.base, self._overrides(run))
        if config.model.closed_form:
            return config
        if self.study.steps is not None:
            epochs = _epochs(self.study.steps, _steps_per_epoch(config))
        else:
            epochs = self._epochs_in_time(run, config)
        return load_config(self.study.base, [*self._overrides(run), *self._schedule(config, epochs)])

    def _overrides(self, run: StudyRun) -> list[str]:
        data = self.base.data
        split_seed = self.base.seed if data.split_seed is None else data.split_seed
        return [
            *self._changes[run.variant],
            f"run={json.dumps(str(self.folder(run).path))}",
            f"seed={run.seed}",
            f"data.split_seed={split_seed}",
            f"data.train_size={run.size}",
            "logging.report=false",
        ]

    def _variant_changes(self, name: str) -> list[str]:
        variant, base = self.study.variants[name], self.base.model
        model = dict(variant.model)
        changes = [*_leaves("loss", variant.loss), *_leaves("train", variant.train)]
        if model.get("name", base.name) == base.name:
            return [*_leaves("model", model), *changes]
        shared = base.model_fields_set & FamilyConfig.model_fields.keys() - {"name"}
        kept = {key: value for key, value in base.model_dump(mode="json").items() if key in shared}
        return [f"model={json.dumps({**kept, **model})}", *changes]

    def _check_variants(self) -> None:
        """Load every variant, so that all errors are reported before training."""
        problems = []
        for name in self.study.variants:
            try:
                for size in (min(self.study.sizes), max(self.study.sizes)):
                    run = StudyRun(name, size, self.study.seeds[0])
                    if self.study.steps is None:  # otherwise the duration of a step would have to be measured first
                        load_config(self.study.base, self._overrides(run))
                    else:
                        self.config(run)
            except ConfigError as error:
                problems += [f"variant {name}: {problem.key}: {problem.message}" for problem in error.problems]
        if problems:
            raise PotentialsError("\n".join(problems))

    def _match_parameters(self, elements: Any) -> None:
        matched = {name: v.match_parameters for name, v in self.study.variants.items() if v.match_parameters}
        for name, match in matched.items():
            wanted = _parameters(self._model(match.variant), elements)
            value = _closest(self._model(name), match.setting, elements, wanted)
            self._changes[name].append(f"model.{match.setting}={value}")

    def _model(self, variant: str) -> FamilyConfig:
        return load_config(self.study.base, self._changes[variant]).model

    def prepared(self, run: StudyRun) -> PreparedData:
        """Return the data of a run."""
        config = load_config(self.study.base, self._overrides(run))
        return _prepared(config)

    def _epochs_in_time(self, run: StudyRun, config: RunConfig) -> int:
        resolved = self.folder(run).resolved
        if resolved.is_file():
            return load_config(resolved).train.max_epochs
        if self.study.time is None:
            raise PotentialsError("a study needs steps or time")
        seconds = rehearse(_prepared(config)).epoch_seconds
        return max(1, round(self.study.time.total_seconds() / seconds))

    def _schedule(self, config: RunConfig, epochs: int) -> Iterator[str]:
        """Yield the overrides of the `train` section that depend on the length of an epoch."""
        schedule = config.train.schedule.model_dump(mode="json")
        warmup = min(self.study.warmup_steps / _steps_per_epoch(config), epochs / 2)
        yield f"train.max_epochs={epochs}"
        yield f"train.schedule={json.dumps({**schedule, 'warmup_epochs': warmup})}"
        yield f"train.validate_every={max(1, epochs // self.study.validations)}"
        yield "train.early_stopping=null"
        time = self.study.time
        yield "train.max_time=null" if time is None else f"train.max_time={time.total_seconds()}s"


def _epochs(steps: int, per_epoch: int) -> int:
    """Return the number of epochs closest to a total number of steps.

    Raises:
        PotentialsError: no integer number of epochs is close enough.
    """
    epochs = max(1, round(steps / per_epoch))
    made = epochs * per_epoch
    if abs(made - steps) > _STEPS_TOLERANCE * steps:
        raise PotentialsError(
            f"steps: {steps} is not possible with {per_epoch} steps per epoch: the nearest number of epochs gives "
            f"{made}, so runs would not have equal length; give a multiple of {per_epoch}"
        )
    return epochs


def _steps_per_epoch(config: RunConfig) -> int:
    if config.data.batch_size is None:
        raise PotentialsError(
            "a study with `steps` needs batches with a fixed number of frames; give data.batch_size in the "
            "base configuration instead of max_atoms_per_batch or max_edges_per_batch"
        )
    return math.ceil((config.data.train_size or 1) / config.data.batch_size)


def _leaves(path: str, value: Any) -> Iterator[str]:
    """Yield overrides for every value of a nested mapping."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}", inner)
    else:
        yield f"{path}={json.dumps(value)}"


def _parameters(model: FamilyConfig, elements: Any) -> int:
    values = {**model.model_dump(), "elements": elements, "average_neighbors": 1.0, "scale": 1.0, "shift": 0.0}
    return Potential(family_config(values), dict.fromkeys(elements, 0.0)).num_parameters()


def _closest(model: FamilyConfig, setting: str, elements: Any, wanted: int) -> int:
    """Return the integer value of a setting for which the model has about the wanted number of parameters."""

    def parameters(value: int) -> int:
        return _parameters(model.model_copy(update={setting: value}), elements)

    if type(getattr(model, setting, None)) is not int:
        raise PotentialsError(f"match_parameters.setting: {model.name} has no integer setting called {setting}")
    low, high = 1, 2
    while parameters(high) < wanted and high < _WIDEST:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if parameters(middle) < wanted else (low, middle)
    best = min((low, high), key=lambda value: abs(parameters(value) - wanted))
    if abs(parameters(best) - wanted) > _MATCH_TOLERANCE * wanted:
        raise PotentialsError(
            f"match_parameters.setting: no value of {setting} gives about {wanted} parameters; the closest is "
            f"{setting} = {best} with {parameters(best)}. Match another setting, or other variants"
        )
    return best


def _prepared(config: RunConfig) -> PreparedData:
    config = with_replay(config)
    return prepare(config, baseline=starting_baseline(config))
