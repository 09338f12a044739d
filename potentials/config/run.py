"""The complete configuration of a run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SerializeAsAny,
    ValidationInfo,
    field_validator,
    model_validator,
)

from potentials.config.base import KeyedError, NonNegativeInteger, StrictConfig
from potentials.config.data import DataConfig
from potentials.config.elements import missing_symbols
from potentials.config.families import FamilyConfig, family_config
from potentials.config.logging import LoggingConfig
from potentials.config.loss import EnergyLoss, ForcesLoss, LossConfig, StressLoss
from potentials.config.messages.descriptions import quote
from potentials.config.starting import FineTuneConfig, StartConfig, StartFrom, with_starting_point
from potentials.config.train import TrainConfig

_ODD_IN_NAME = re.compile(r"[^\w.+=,-]")
_ODD_IN_FOLDER = re.compile(r'[\x00-\x1f\x7f*?"<>|]')


def check_run_name(run: str) -> str:
    """Return `run` if it is a safe name for a folder; raise `ValueError` otherwise."""
    folder = "/" in run
    odd = (_ODD_IN_FOLDER if folder else _ODD_IN_NAME).search(run)
    if odd:
        allowed = "" if folder else "; a name may contain letters, digits and . _ + = , -"
        raise ValueError(f"{quote(odd.group())} cannot be used in {quote(run)}{allowed}")
    if not folder and run.startswith((".", "-")):
        raise ValueError(
            f"the name {quote(run)} starts with {quote(run[0])}, so it would be hidden or read as an option; "
            "start it with a letter or digit"
        )
    if run.startswith("~"):
        raise ValueError(f"{quote(run)}: write the full path; ~ is not expanded here")
    return run


class RunConfig(StrictConfig):
    """Configuration of a training run: everything that determines its result."""

    run: Annotated[str, Field(min_length=1), AfterValidator(check_run_name)]
    """Name of the run, whose folder is `runs/NAME`; or a folder, if it contains a slash."""
    seed: NonNegativeInteger = 1
    """Random seed of splits, initial weights and the order of batches."""
    data: DataConfig
    model: Annotated[SerializeAsAny[FamilyConfig], BeforeValidator(family_config)]
    loss: LossConfig = LossConfig()
    train: TrainConfig = TrainConfig()
    start_from: StartFrom = None
    """Potential that the run starts from (fine-tuning): a model file, or a model of another program. The section
    `model` is taken from it and need not be given; its reference energies are kept unless others are given."""
    fine_tune: FineTuneConfig = FineTuneConfig()
    logging: LoggingConfig = LoggingConfig()

    @model_validator(mode="before")
    @classmethod
    def _with_the_settings_of_the_starting_potential(cls, document: Any, info: ValidationInfo) -> Any:
        if not isinstance(document, dict) or document.get("start_from") is None:
            return document
        return with_starting_point(document, (info.context or {}).get("folder", Path.cwd()))

    @field_validator("start_from")
    @classmethod
    def _family_can_be_adapted(cls, start: StartConfig | None, info: ValidationInfo) -> StartConfig | None:
        model: FamilyConfig | None = info.data.get("model")
        if start is not None and model is not None and model.closed_form:
            reason = f"{model.name} is fitted in closed form and does not start from other weights; remove start_from"
            raise KeyedError({"start_from": reason})
        return start

    @field_validator("fine_tune")
    @classmethod
    def _something_to_fine_tune(cls, fine_tune: FineTuneConfig, info: ValidationInfo) -> FineTuneConfig:
        if info.data.get("start_from") is None and fine_tune != FineTuneConfig():
            raise KeyedError({"fine_tune": "there is no starting potential; add start_from: FILE, or remove fine_tune"})
        return fine_tune

    @field_validator("model")
    @classmethod
    def _heads_can_be_trained(cls, model: FamilyConfig, info: ValidationInfo) -> FamilyConfig:
        data: DataConfig | None = info.data.get("data")
        if data is not None and data.heads and model.closed_form:
            reason = f"{model.name} is fitted in closed form and has no heads; choose another family, or one head"
            raise KeyedError({"data.train": reason})
        return model

    # Checks between sections are field validators, which can access valid sections before them. A validator of
    # the whole configuration would not run until all sections are valid.

    @field_validator("model")
    @classmethod
    def _every_element_has_a_reference_energy(cls, model: FamilyConfig, info: ValidationInfo) -> FamilyConfig:
        data: DataConfig | None = info.data.get("data")
        if data is not None and isinstance(data.reference_energies, dict) and model.elements != "auto":
            missing = missing_symbols(model.elements, data.reference_energies)
            if missing:
                raise KeyedError({"data.reference_energies": f"no energy for {missing}, which model.elements contains"})
        return model

    @field_validator("loss")
    @classmethod
    def _loss_has_labels(cls, loss: LossConfig, info: ValidationInfo) -> LossConfig:
        _require_labels("loss", loss, info.data.get("data"))
        return loss

    @field_validator("loss")
    @classmethod
    def _loss_can_be_fitted(cls, loss: LossConfig, info: ValidationInfo) -> LossConfig:
        model: FamilyConfig | None = info.data.get("model")
        if model is not None and model.closed_form:
            terms: dict[str, EnergyLoss | ForcesLoss | StressLoss] = {
                "energy": loss.energy,
                "forces": loss.forces,
                "stress": loss.stress,
            }
            odd = {name: term.function for name, term in terms.items() if term.weight > 0 and term.function != "mse"}
            if odd:
                reason = f"{model.name} is fitted by least squares; expected mse"
                raise KeyedError({f"loss.{name}.function": f"{reason}, got {found}" for name, found in odd.items()})
        return loss

    @field_validator("train")
    @classmethod
    def _train_section_suits_closed_form(cls, train: TrainConfig, info: ValidationInfo) -> TrainConfig:
        model: FamilyConfig | None = info.data.get("model")
        if model is None or not model.closed_form:
            return train
        found = {}
        if train.second_stage is not None:
            found["train.second_stage"] = "remove it, and give the weights in `loss`"
        if train.nodes > 1 or train.devices not in ("auto", 1):
            found["train.devices"] = "the fit runs in one process on the CPU; remove train.devices and train.nodes"
        if train.accelerator == "gpu":
            found["train.accelerator"] = "the fit runs on the CPU; use auto or cpu (the potential runs on any device)"
        if found:
            reason = f"{model.name} is fitted in closed form, in one step"
            raise KeyedError({key: f"{reason}: {advice}" for key, advice in found.items()})
        return train

    @field_validator("train")
    @classmethod
    def _augmentation_suits_the_family(cls, train: TrainConfig, info: ValidationInfo) -> TrainConfig:
        """Resolve `auto`, and reject rotations for exactly symmetric families."""
        model: FamilyConfig | None = info.data.get("model")
        if model is None:
            return train
        if train.augmentation == "rotations" and model.exactly_symmetric:
            reason = f"{model.name}, as configured, is exactly symmetric, so rotated frames add no information"
            raise KeyedError({"train.augmentation": f"{reason}: expected auto or none, got rotations"})
        if train.augmentation == "auto":
            return train.model_copy(update={"augmentation": "none" if model.exactly_symmetric else "rotations"})
        return train

    @field_validator("train")
    @classmethod
    def _second_loss_has_labels(cls, train: TrainConfig, info: ValidationInfo) -> TrainConfig:
        if train.second_stage is not None:
            _require_labels("train.second_stage.loss", train.second_stage.loss, info.data.get("data"))
        return train


def _require_labels(key: str, loss: LossConfig, data: DataConfig | None) -> None:
    """Raise `KeyedError` if the loss at `key` has a weight for a property whose labels the data section disables."""
    if data is None:
        return
    found = {}
    sections = data.sections()
    for name, weight in (("energy", loss.energy.weight), ("forces", loss.forces.weight)):
        if weight > 0 and all(getattr(section, name) is None for section in sections):
            found[f"data.{name}"] = (
                f"null, but {key}.{name}.weight is {weight:g}; set {key}.{name} to null to exclude it"
            )
    for name, section in zip(data.heads, sections, strict=False):
        labels = (
            (loss.energy, section.energy),
            (loss.forces, section.forces),
            (loss.stress, section.stress or section.virial),
        )
        if not any(term.weight > 0 and label is not None for term, label in labels):
            found[f"data.heads.{name}"] = f"none of its labels has a weight in {key}, so this head would not be trained"
    if loss.stress.weight > 0 and all(section.stress is None and section.virial is None for section in sections):
        found[f"{key}.stress.weight"] = (
            f"{loss.stress.weight:g} requires stress labels, but neither data.stress nor data.virial is given; "
            "give one of them, or set the weight to 0"
        )
    if found:
        raise KeyedError(found)
