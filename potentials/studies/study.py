"""The description of a study: which models, how much data, which seeds, how long."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from potentials.config.base import (
    Duration,
    KeyedError,
    NonNegativeInteger,
    NonNegativeNumber,
    PositiveInteger,
    StrictConfig,
)
from potentials.config.loading import parse_as, read_text
from potentials.config.messages.words import quote
from potentials.config.run import check_run_name

Metric = Literal["forces_rmse", "forces_mae", "energy_per_atom_rmse", "energy_per_atom_mae"]


class ParameterMatch(StrictConfig):
    """Choose an integer of the model so that it has about as many parameters as another variant."""

    variant: str
    """Whose number of parameters."""
    setting: str = "channels"
    """Which key of `model` is chosen."""


class Variant(StrictConfig):
    """One model of the study: what differs from the base configuration."""

    model: dict[str, Any] = Field(default={})
    """With another `name` than the base's, the whole section but for what every family has (`cutoff`, ...)."""
    loss: dict[str, Any] = Field(default={})
    """Keys of the base's `loss` that differ."""
    train: dict[str, Any] = Field(default={})
    """Keys of the base's `train` that differ."""
    match_parameters: ParameterMatch | None = None
    """Make the model about as large as that of another variant."""


_DECIDED = {"max_epochs", "max_time", "validate_every", "early_stopping"}
"""Keys of `train` that follow from the study."""


def _distinct(values: list[int]) -> list[int]:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"{twice[0]} is given twice")
    return values


class Study(StrictConfig):
    """Variants, numbers of training frames and seeds; every combination is one run, a cell of the study.

    All cells share the base configuration's validation and test frames. For each seed the training frames of a smaller
    size are among those of a larger one. All cells make the same number of gradient steps, or train for the same time.
    """

    study: Annotated[str, Field(min_length=1), AfterValidator(check_run_name)]
    """Name of the study, made under `studies/`; or a folder, when it contains a slash."""
    base: Annotated[str, Field(min_length=1)]
    """Configuration that all cells start from; relative to this file."""
    sizes: Annotated[list[PositiveInteger], Field(min_length=2), AfterValidator(_distinct)]
    """Numbers of training frames."""
    seeds: Annotated[list[NonNegativeInteger], Field(min_length=1), AfterValidator(_distinct)] = Field(
        default=[1, 2, 3]
    )
    """Each decides initial weights, order, and which frames are trained on."""
    steps: PositiveInteger | None = None
    """Gradient steps of each cell."""
    time: Duration | None = None
    """Training time of each cell, instead of `steps`; the schedule ends with it, as far as the first steps tell."""
    warmup_steps: NonNegativeNumber = 100
    """Steps over which the learning rate rises, instead of the base's `warmup_epochs`: epochs differ between cells."""
    validations: PositiveInteger = 50
    """How often each cell is validated, at most once an epoch."""
    metric: Metric = "forces_rmse"
    """The error of the test frames that the curves show."""
    variants: Annotated[dict[str, Variant], Field(min_length=1)]
    """The models, by a name of yours."""
    comparisons: list[Annotated[list[str], Field(min_length=2, max_length=2)]] = Field(default=[])
    """Pairs of variants to hold against each other, seed by seed: `[[nequip-l0, nequip-l1], ...]`."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        found = {}
        if (self.steps is None) == (self.time is None):
            found["steps"] = "expected either steps or time, so that all runs have equal length"
        for name, variant in self.variants.items():
            try:
                check_run_name(name)
                if "/" in name:
                    raise ValueError(f"{quote('/')} cannot be used in the name of a variant")
            except ValueError as error:
                found[f"variants.{name}"] = str(error)
            for key in sorted(_DECIDED & variant.train.keys()):
                found[f"variants.{name}.train.{key}"] = "the study sets it by steps or time; remove it"
            match = variant.match_parameters
            if match is not None and (match.variant not in self.variants or match.variant == name):
                others = ", ".join(other for other in self.variants if other != name)
                found[f"variants.{name}.match_parameters.variant"] = f"expected another variant ({others})"
            elif match is not None and self.variants[match.variant].match_parameters is not None:
                found[f"variants.{name}.match_parameters.variant"] = f"{match.variant} is itself matched to another"
        unknown = {name for pair in self.comparisons for name in pair} - self.variants.keys()
        if unknown:
            found["comparisons"] = f"expected names of variants, got {', '.join(map(quote, sorted(unknown)))}"
        if found:
            raise KeyedError(found)
        return self

    @property
    def folder(self) -> Path:
        """Where everything of the study is."""
        return Path(self.study) if "/" in self.study else Path("studies") / self.study


def load_study(path: str | os.PathLike[str]) -> Study:
    """Read and check the description of a study; its `base` is made absolute.

    Raises:
        ConfigError: with every problem found.
    """
    study = parse_as(Study, read_text(Path(path)), str(path))
    return study.model_copy(update={"base": str(Path(path).resolve().parent / study.base)})
