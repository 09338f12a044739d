"""Collection of the data for a report from a model file or run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

import potentials.interop  # noqa: F401  (reads starting potentials)
from potentials.config import RunConfig, load_config
from potentials.data.findings import Findings
from potentials.data.label import LabeledFrame
from potentials.data.split import Split, read_splits
from potentials.errors import ModelFileError, PotentialsError
from potentials.potential import Potential, model_file
from potentials.potential.model_file_contents import model_path
from potentials.report.predictions.evaluated import TRAIN
from potentials.report.subject import RUN_UNKNOWN, Subject
from potentials.training.lifecycle.run_folder import RunFolder

BUDGET = 30.0
"""Seconds for each section that runs simulations."""


@dataclass(frozen=True)
class Origin:
    """Location of a potential."""

    model_file: Path
    run: RunFolder | None
    """The run that wrote the model, if its folder exists."""

    @classmethod
    def of(cls, path: Path) -> Origin:
        """Find a model file, `builtin:NAME`, or the best model in a run folder.

        Raises:
            ModelFileError: the path is none of these.
        """
        if path.is_dir():
            file = RunFolder(f"{path.absolute()}/").best
            if not file.is_file():
                raise ModelFileError(
                    f"{path}: expected a model file or the folder of a run, but there is no {file.name} in it"
                )
        else:
            file = model_path(path)
        run = RunFolder(f"{file.absolute().parent}/")
        return cls(file, run if run.resolved.is_file() else None)


def gather(
    origin: Origin,
    potential: Potential | None = None,
    given: Mapping[str, Sequence[LabeledFrame]] | None = None,
    *,
    device: torch.device | str = "cpu",
    head: str | None = None,
    budget: float = BUDGET,
    seed: int = 1,
) -> Subject:
    """Load the potential and read the data for the comparison.

    Args:
        origin: location of the potential.
        potential: the potential, if it has been loaded already.
        given: labeled frames by name. By default the data of the run are read again and split as in training; otherwise
            only the training frames of the run are read.
        device: device of the potential.
        head: head of the potential, if it has several.
        budget: seconds for each section that runs simulations.
        seed: seed of random choices.

    Raises:
        ModelFileError: the model cannot be loaded, or has several heads and none is chosen.
    """
    potential = model_file.load_one(origin.model_file, device, head=head) if potential is None else potential
    splits, remarks, reason = _splits_of_run(origin, potential)
    if given:
        training = {TRAIN: splits[TRAIN]} if TRAIN in splits else {}
        splits = {**training, **given}
        remarks = [*remarks, *([reason] if not training and origin.run else [])]
    return Subject(potential, origin.model_file, splits, origin.run, budget, seed, reason, remarks)


def _splits_of_run(origin: Origin, potential: Potential) -> tuple[dict[str, Sequence[LabeledFrame]], list[str], str]:
    """Return the splits of the run, remarks on them, and the reason if there are none."""
    ask = f"to compare the potential with labeled structures, run: potentials report {origin.model_file} DATA"
    if origin.run is None:
        return {}, [], f"{RUN_UNKNOWN}, and no data were given; {ask}"
    try:
        config = load_config(origin.run.resolved)
        splits = read_splits(config, Findings())
    except PotentialsError as error:
        return {}, [], f"the data of the run cannot be read ({error}); {ask}"
    remarks = _changes(config, potential, splits.train)
    of_head = splits.heads.get(potential.metadata.get("head", ""), splits)
    return {TRAIN: of_head.train, "validation": of_head.validation, **of_head.tests}, remarks, ""


def _changes(config: RunConfig, potential: Potential, train: Split) -> list[str]:
    """Return remarks on changes since the potential was trained."""
    recorded = potential.metadata.get("training_data")
    if recorded in (None, train.digest()):
        return []
    named = config.data.train
    files = named if isinstance(named, str) else ", ".join(getattr(entry, "file", str(entry)) for entry in named)
    return [
        f"the training files ({files}) differ from the data used in training: they were changed afterwards, or the "
        "model file belongs to another run"
    ]
