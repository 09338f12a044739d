"""The description of a study: models, sizes of the training set, seeds, length of training."""

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
from potentials.config.messages.descriptions import quote
from potentials.config.run import check_run_name

Metric = Literal["forces_rmse", "forces_mae", "energy_per_atom_rmse", "energy_per_atom_mae"]


class ParameterMatch(StrictConfig):
    """Choose an integer setting of the model so that its number of parameters is close to that of another variant."""

    variant: str
    """Variant whose number of parameters is matched."""
    setting: str = "channels"
    """Key of `model` that is adjusted."""


class Variant(StrictConfig):
    """One model of the study, as changes to the base configuration."""

    model: dict[str, Any] = Field(default={})
    """Keys of the base's `model` that differ. With another `name`, these keys replace the whole section; only
    keys common to all families (`cutoff`, ...) keep the values of the base, unless they are given here."""
    loss: dict[str, Any] = Field(default={})
    """Keys of the base's `loss` that differ."""
    train: dict[str, Any] = Field(default={})
    """Keys of the base's `train` that differ."""
    match_parameters: ParameterMatch | None = None
    """Adjust the size of the model to that of another variant."""


_DECIDED = {"max_epochs", "max_time", "validate_every", "early_stopping"}
"""Keys of `train` that are set by the study."""


def _distinct(values: list[int]) -> list[int]:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"{twice[0]} is given twice")
    return values


class Study(StrictConfig):
    """Variants, numbers of training frames and seeds; every combination is one run.

    All runs have the validation and test sets of the base configuration. For each seed, smaller training sets are
    subsets of larger ones. All runs make the same number of gradient steps, or train for the same time.
    """

    study: Annotated[str, Field(min_length=1), AfterValidator(check_run_name)]
    """Name of the study, whose folder is `studies/NAME`; or a folder, if it contains a slash."""
    base: Annotated[str, Field(min_length=1)]
    """Base configuration of all runs; relative to this file."""
    sizes: Annotated[list[PositiveInteger], Field(min_length=2), AfterValidator(_distinct)]
    """Numbers of training frames."""
    seeds: Annotated[list[NonNegativeInteger], Field(min_length=1), AfterValidator(_distinct)] = Field(
        default=[1, 2, 3]
    )
    """Random seeds of initial weights, order of batches, and choice of training frames."""
    steps: PositiveInteger | None = None
    """Gradient steps of each run."""
    time: Duration | None = None
    """Training time of each run, instead of `steps`. The number of epochs is estimated from the first steps, so that
    the schedule ends at about this time."""
    warmup_steps: NonNegativeNumber = 100
    """Steps over which the learning rate rises, instead of the base's `warmup_epochs`, because the epochs of the runs
    differ in length."""
    validations: PositiveInteger = 50
    """Number of validations of each run, at most one per epoch."""
    metric: Metric = "forces_rmse"
    """Test error shown in the curves."""
    variants: Annotated[dict[str, Variant], Field(min_length=1)]
    """The models, by a name of your choice."""
    comparisons: list[Annotated[list[str], Field(min_length=2, max_length=2)]] = Field(default=[])
    """Pairs of variants to compare with the same seeds: `[[nequip-l0, nequip-l1], ...]`."""

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
                found[f"variants.{name}.train.{key}"] = "this is set by the study (steps, time, validations); remove it"
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
        """Folder of all files of the study."""
        return Path(self.study) if "/" in self.study else Path("studies") / self.study


def load_study(path: str | os.PathLike[str]) -> Study:
    """Read and validate the description of a study; its `base` is made absolute.

    Raises:
        ConfigError: with every problem found.
    """
    study = parse_as(Study, read_text(Path(path)), str(path))
    return study.model_copy(update={"base": str(Path(path).resolve().parent / study.base)})
