"""Logging to Weights & Biases: online if the user has logged in, otherwise to files in the run folder."""

from __future__ import annotations

import io
import netrc
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlparse

import ase.io
import numpy as np
import wandb
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from potentials.config.logging import WandbConfig
from potentials.config.run import RunConfig
from potentials.data.label import LabeledFrame
from potentials.errors import TrainingError
from potentials.evaluation.error_table import ErrorTable
from potentials.evaluation.labeled_predictions import Evaluation
from potentials.potential.model_file import read_header
from potentials.training.lifecycle.journal import Journal
from potentials.training.lifecycle.processes import is_first_process
from potentials.training.loggers.parity_picture import parity_picture
from potentials.training.loggers.results import RunResults
from potentials.training.loggers.wandb_files import last_step

_PATIENCE_SECONDS = 30.0
"""Seconds to wait for a connection."""
_WORST = 3
"""Number of structures with the largest errors that are shown."""


class RunWandbLogger(WandbLogger):
    """Lightning's wandb logger with optimizer steps as steps, extended by the results of the run.

    Args:
        experiment: the wandb run; `None` in all processes but the first.
        last_step: last step whose metrics earlier starts have logged.
    """

    def __init__(self, experiment: Any, last_step: int) -> None:
        super().__init__(experiment=experiment)
        self.last_step = last_step
        self._latest = last_step

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log metrics by optimizer step, so that a continued run continues its curves."""
        self.experiment.log({**metrics, "trainer/global_step": step}, step=step)
        self._latest = max(self._latest, step or 0)

    @rank_zero_only
    def log_results(self, results: RunResults) -> None:
        """Log the results of a run.

        Errors are logged as summary metrics and as a table, with parity plots and the structures with the largest
        errors for each split except the training set, and the best model as an artifact with the error table.
        """
        run = self.experiment
        run.summary.update(results.figures())
        panels: dict[str, Any] = {"results/errors": _error_table(results.table)}
        for split, evaluation in results.evaluations.items():
            if split == "train":
                continue
            panels[f"results/{split}/parity"] = wandb.Image(parity_picture(evaluation))
            worst = _worst_structures(evaluation, results.frames[split])
            if worst:
                panels[f"results/{split}/worst structures"] = worst
        # If this start has only evaluated, the row of the latest step is in the files of an earlier start.
        run.log(panels, step=self._latest + (self._latest == self.last_step))
        header = read_header(results.best)
        artifact = wandb.Artifact(
            f"{_artifact_name(run.name)}-potential",
            type="model",
            description="The potential with the smallest validation loss",
            metadata={name: header[name] for name in ("model", "elements", "cutoff", "precision", "versions")}
            | {name: header["metadata"].get(name) for name in ("epoch", "validation_loss", "validation_errors")},
        )
        artifact.add_file(str(results.best))
        artifact.add_file(str(results.errors))
        run.log_artifact(artifact)

    @rank_zero_only
    def close(self, *, failed: bool) -> None:
        """End the wandb run with success or failure."""
        self.experiment.finish(exit_code=int(failed))


def wandb_logger(
    config: RunConfig, section: WandbConfig, folder: Path, run_id: str, journal: Journal
) -> RunWandbLogger:
    """Create a logger to Weights & Biases and start its run, offline if the user has not logged in.

    Args:
        config: configuration recorded with the run.
        section: `logging.wandb`.
        folder: folder of the run; wandb's own folder is created inside it.
        run_id: the same when a run is continued, so that wandb continues its curves.
        journal: receives the address of the run, and a warning if wandb is unreachable and `mode: auto` falls back to
            offline.

    Raises:
        TrainingError: `mode: online` is set and wandb is unreachable.
    """
    mode = wandb_mode(section)
    try:
        run = _begin_wandb(config, section, folder, run_id, mode)
    except wandb.Error as error:
        if section.mode == "online":
            raise TrainingError(f"logging.wandb: {error}; mode: offline needs no network") from error
        journal.warn(f"wandb cannot be reached ({error}); logging offline")
        wandb.teardown()
        run = _begin_wandb(config, section, folder, run_id, "offline")
    held = 0
    if run is not None:
        # Online, the server reports the last step; offline, it is read from the files of earlier starts.
        held = last_step(folder, run_id) if run.offline else run.starting_step - 1
        # Each start of a run has its own folder, all with the same id; the upload merges them.
        everything = f"{folder / 'wandb'}/offline-run-*-{run_id}"
        journal.say(
            f"wandb: offline; run `wandb sync {everything}` to upload the run" if run.offline else f"wandb: {run.url}"
        )
    return RunWandbLogger(run, held)


def add_to_wandb(report: Path, section: WandbConfig, folder: Path, run_id: str, journal: Journal) -> None:
    """Add a report as an artifact to a finished run.

    Args:
        report: path of the HTML report.
        section: `logging.wandb`.
        folder: folder of the run.
        run_id: wandb's run ID.
        journal: receives a warning if wandb is unreachable.
    """
    try:
        run = _begin_wandb(None, section, folder, run_id, wandb_mode(section))
    except wandb.Error as error:
        journal.warn(f"wandb cannot be reached ({error}); the report of this run was not uploaded")
        return
    if run is None:
        return
    artifact = wandb.Artifact(f"{_artifact_name(folder.name)}-report", type="report", description="The report")
    artifact.add_file(str(report))
    run.log_artifact(artifact)
    run.finish()


def _begin_wandb(
    config: RunConfig | None, section: WandbConfig, folder: Path, run_id: str, mode: Literal["online", "offline"] | None
) -> Any:
    if not is_first_process():
        return None
    # wandb uses the system's temporary folder if its own does not exist yet.
    (folder / "wandb").mkdir(exist_ok=True)
    run = wandb.init(
        name=folder.name,
        dir=folder,
        project=section.project,
        entity=section.entity,
        tags=section.tags,
        id=run_id,
        resume="allow",
        mode=mode,
        config=None if config is None else config.model_dump(mode="json"),
        settings=wandb.Settings(silent=True, console="off", init_timeout=_PATIENCE_SECONDS),
    )
    run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
    run.define_metric("validation/*", step_metric="trainer/global_step", step_sync=True, summary="min")
    return run


def wandb_mode(section: WandbConfig) -> Literal["online", "offline"] | None:
    """Return whether to log online or offline; `None` leaves the decision to wandb.

    The configured mode; else `WANDB_MODE`, which wandb reads itself; else online after `wandb login`.
    """
    if section.mode != "auto":
        return section.mode
    if os.environ.get("WANDB_MODE"):
        return None
    return "online" if _logged_in() else "offline"


def _logged_in() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(wandb.setup().settings.base_url).hostname or ""
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def _error_table(table: ErrorTable) -> wandb.Table:
    columns = ["split", "frames"]
    names = (("energy_per_atom", "energy", "meV/atom"), ("forces", "forces", "meV/A"), ("stress", "stress", "meV/A^3"))
    columns += [f"{title} {kind} ({unit})" for _, title, unit in names for kind in ("MAE", "RMSE")]
    rows: list[list[Any]] = []
    for split in table.splits:
        row: list[Any] = [split.split, split.frames]
        for name, _, _ in names:
            error = getattr(split.errors, name)
            row += [None, None] if error is None else [1e3 * error.mae, 1e3 * error.rmse]
        rows.append(row)
    return wandb.Table(columns=columns, data=rows)


def _worst_structures(evaluation: Evaluation, frames: Any) -> list[wandb.Molecule]:
    """Return the frames with the largest force errors; none without force labels."""
    errors = evaluation.parity.forces_rmse_by_frame()
    order = [int(number) for number in np.argsort(-np.nan_to_num(errors, nan=-1.0)) if np.isfinite(errors[number])]
    return [_molecule(frames[number], errors[number]) for number in order[:_WORST]]


def _molecule(labeled: LabeledFrame, error: float) -> wandb.Molecule:
    frame = labeled.frame
    text = io.StringIO()
    ase.io.write(text, frame.atoms, format="proteindatabank")
    text.seek(0)
    caption = f"{Path(frame.file).name}, frame {frame.index}: forces RMSE {1e3 * error:.3g} meV/A"
    return wandb.Molecule(text, file_type="pdb", caption=caption)


def _artifact_name(name: str) -> str:
    return re.sub(r"[^\w.-]", "-", name)
