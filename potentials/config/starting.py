"""The potential that a run starts from, and how it is adapted (fine-tuning)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BeforeValidator, Field, model_validator

from potentials.config.base import KeyedError, NonNegativeInteger, PositiveInteger, PositiveNumber, StrictConfig
from potentials.config.data.files import Files
from potentials.config.elements import Elements, ElementSymbol
from potentials.config.messages.descriptions import describe_value


def _file_alone(value: Any) -> Any:
    """Expand a file name to the section."""
    return {"file": value} if isinstance(value, str) else value


class StartConfig(StrictConfig):
    """The potential that a run starts from."""

    file: Annotated[str, Field(min_length=1)]
    """Model file (`NAME.potential`), or a model file of another program that `potentials import` reads."""
    head: str | None = None
    """Head (level of theory) of the model; required if it has several."""
    sha256: str | None = None
    """Checksum of the file. It is determined when the run starts, so that a changed file is noticed later."""


StartFrom = Annotated[StartConfig | None, BeforeValidator(_file_alone, str | StartConfig | None)]


REPLAY_HEAD = "replay"
"""Name of the head of replayed frames."""


class ReplayConfig(StrictConfig):
    """Frames of the starting potential's level of theory that the run trains on in addition to its own data (`method:
    replay`). They are the head `replay`."""

    files: Files | None = None
    """Files of frames with labels of that level of theory, in eV and A, named `energy`, `forces` and `stress`."""
    structures: Files | None = None
    """Files of structures that the starting potential labels."""
    generate: NonNegativeInteger = 0
    """Number of structures to generate and label: strained and displaced crystals, clusters, and pairs of atoms at
    short distances."""
    elements: Elements | None = None
    """Elements of the generated structures; by default all of the starting potential."""
    weight: PositiveNumber = 5.0
    """Weight of the replayed frames in the loss. Frames that the starting potential labels have weights of their own,
    too, which are smaller for large forces."""
    is_prepared: bool = False
    """Whether the data contain the head `replay` already. It is set when the run starts."""

    @model_validator(mode="after")
    def _some_frames(self) -> Self:
        if self.files is None and self.structures is None and not self.generate:
            raise ValueError(
                "no frames; give `files` (frames with labels), `structures` (without labels) or `generate: NUMBER`"
            )
        return self


class ElasticConfig(StrictConfig):
    """Elastic weight consolidation: a penalty on changes of the weights that matter for the starting potential."""

    strength: PositiveNumber = 1.0
    """Factor of the penalty. At 1 it is, to second order, the loss on generated structures with labels of the starting
    potential."""
    generate: PositiveInteger = 100
    """Number of generated structures from which the importance of each weight is computed."""


class FineTuneConfig(StrictConfig):
    """How the starting potential is adapted."""

    method: Literal["full", "readouts", "lora", "replay"] = "full"
    """`full` trains all weights; `readouts` trains those of the readouts, and all others keep their values; `lora`
    trains a low-rank update of each linear map, which is added to its weights at the end; `replay` trains all weights,
    on the data of the run and on those of `fine_tune.replay`."""
    elements: Literal["keep", "data"] = "keep"
    """`keep` keeps all elements of the starting potential; `data` removes those that the training frames lack."""
    new_elements: dict[ElementSymbol, ElementSymbol] = Field(default={})
    """For each element that the starting potential does not support, the element whose weights it begins with, such as
    `{K: Na}`."""
    replay: ReplayConfig | None = None
    elastic: ElasticConfig | None = None
    rank: int = Field(default=4, ge=1, le=1024)
    """Rank of the updates of `lora`."""
    alpha: PositiveNumber = 1.0
    """Factor of the updates of `lora`, which are multiplied by alpha / rank."""

    @model_validator(mode="after")
    def _replay_has_frames(self) -> Self:
        if self.method == "replay" and self.replay is None:
            advice = "`files` (frames with labels), `structures` (without labels) or `generate: NUMBER`"
            raise KeyedError({"fine_tune.replay": f"missing; method: replay needs frames: give {advice}"})
        if self.method != "replay" and self.replay is not None:
            raise KeyedError({"fine_tune.replay": f"not used by method: {self.method}; use replay, or remove it"})
        if self.method == "lora" and self.elastic is not None:
            reason = "lora does not change the original weights, so the penalty has no effect"
            raise KeyedError({"fine_tune.elastic": f"{reason}; remove it, or use full, readouts or replay"})
        return self


class StartingPoint(NamedTuple):
    """What a configuration takes from the starting potential."""

    file: str
    """Absolute path."""
    sha256: str
    model: dict[str, Any]
    """Section `model` of the configuration, complete."""
    reference_energies: dict[str, float]
    """eV, by element."""


StartReader = Callable[[Path, str | None], StartingPoint]
RE_ESTIMATED = ("auto", "isolated-atoms", "least-squares")
"""Methods by which reference energies are re-estimated from the errors of the starting potential."""
FINE_TUNING_RATE = 1e-3
"""Default of the learning rate for a run that starts from a potential: a tenth of that of other runs."""
_readers: list[StartReader] = []


def register_start_reader(reader: StartReader) -> None:
    """Register the function that reads starting potentials; importing `potentials.interop` does so."""
    _readers[:] = [reader]


def with_starting_point(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Complete a configuration with the settings of its starting potential.

    Args:
        document: the configuration as read, with the key `start_from`.
        folder: folder that a relative path starts from.

    Returns:
        The configuration with the model of the starting potential, its reference energies unless others are given, and
        a learning rate for fine-tuning unless one is given.

    Raises:
        KeyedError: the file cannot be used, or a setting of the model differs from it.
    """
    given = _file_alone(document["start_from"])
    if not isinstance(given, dict) or not isinstance(given.get("file"), str) or not given["file"]:
        return document  # the schema refuses it
    if not _readers:
        raise KeyedError({"start_from": "no reader of starting potentials; import potentials.interop first"})
    path, expected = folder / Path(given["file"]).expanduser(), given.get("sha256")
    if expected is not None and "model" in document and not path.exists():
        return document  # a finished run can be read without the file; training again needs it, and says so
    start = _readers[0](path, given.get("head"))
    if expected is not None and expected != start.sha256:
        changed = f"{start.file} has changed since the start of the run"
        advice = "restore the original file, or give the run another name (run=...)"
        raise KeyedError({"start_from.sha256": f"{changed}; {advice}"})
    model = document.get("model", {})
    if isinstance(model, dict):
        expected_model = _with_elements(start.model, document.get("fine_tune"), model)
        problems = _differences(model, expected_model, "model")
        if problems:
            raise KeyedError(problems)
        model = expected_model
    data, train = document.get("data"), document.get("train", {})
    if isinstance(data, dict):
        energies = _reference_energies(data, start)
        chosen = model.get("elements") if isinstance(model, dict) else None
        if isinstance(energies, dict) and isinstance(chosen, list):
            energies = {symbol: energy for symbol, energy in energies.items() if symbol in chosen}
        data = {**data, "reference_energies": energies}
    if isinstance(train, dict) and isinstance(train.get("optimizer", {}), dict):
        train = {**train, "optimizer": {"learning_rate": FINE_TUNING_RATE, **train.get("optimizer", {})}}
    section = {**given, "file": start.file, "sha256": start.sha256}
    return {**document, "start_from": section, "model": model, "data": data, "train": train}


def _with_elements(start: Mapping[str, Any], fine_tune: Any, given: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the section `model` of the starting potential for the elements of the run."""
    settings = fine_tune if isinstance(fine_tune, dict) else {}
    new = settings.get("new_elements") or {}
    if not isinstance(new, dict) or not all(isinstance(name, str) for pair in new.items() for name in pair):
        return dict(start)  # the schema refuses it
    unknown = {symbol: source for symbol, source in new.items() if source not in start["elements"]}
    if unknown:
        known = ", ".join(start["elements"])
        reason = "which the starting potential does not support"
        raise KeyedError(
            {
                f"fine_tune.new_elements.{symbol}": f"got {source}, {reason}; expected one of {known}"
                for symbol, source in unknown.items()
            }
        )
    added = {symbol: source for symbol, source in new.items() if symbol not in start["elements"]}
    model = {**start, "elements": [*start["elements"], *added]}
    for name in ("scale", "shift"):
        if isinstance(start[name], dict):
            model[name] = {**start[name], **{symbol: start[name][source] for symbol, source in added.items()}}
    if settings.get("elements") == "data":
        model["elements"] = given.get("elements", "auto")
    return model


def _reference_energies(data: Mapping[str, Any], start: StartingPoint) -> Any:
    given = data.get("reference_energies", "from-model")
    if given == "from-model":
        return start.reference_energies
    if given in RE_ESTIMATED:
        return given
    if not isinstance(given, dict):
        raise KeyedError(
            {
                "data.reference_energies": "with start_from, expected from-model (those of the starting potential), "
                f"{', '.join(RE_ESTIMATED)} (re-estimated), or energies by element; got {describe_value(given)}"
            }
        )
    return {**start.reference_energies, **given}


def _differences(given: Mapping[Any, Any], start: Mapping[str, Any], prefix: str) -> dict[str, str]:
    """Return a message for each given setting that is not that of the starting potential."""
    found = {}
    for key, value in given.items():
        name = f"{prefix}.{key}"
        if key not in start:
            found[name] = "the starting potential has no such setting; remove the key"
        elif isinstance(value, dict) and isinstance(start[key], dict):
            found |= _differences(value, start[key], name)
        elif value != start[key] and value != "auto":
            theirs, ours = (json.dumps(setting, default=str) for setting in (start[key], value))
            found[name] = f"the starting potential has {theirs}, got {ours}; remove the key"
    return found
