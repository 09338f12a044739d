"""Weights & Biases: a dashboard of runs, online where the user has logged in, else files in the run's folder."""

from __future__ import annotations

import netrc
import os
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlparse

import wandb
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from potentials.config.logging import WandbConfig
from potentials.config.run import RunConfig
from potentials.errors import TrainingError
from potentials.training.journal import Journal
from potentials.training.processes import is_first_process

_PATIENCE_SECONDS = 30.0
"""How long wandb may take to be reached."""


class FinishedWandbLogger(WandbLogger):
    """Lightning's logger, which ends the wandb run when training ends, well or not."""

    def finalize(self, status: str) -> None:
        """Write out what is left."""
        super().finalize(status)
        if rank_zero_only.rank == 0:  # type: ignore[attr-defined]
            self.experiment.finish(exit_code=0 if status == "success" else 1)


def wandb_logger(config: RunConfig, section: WandbConfig, folder: Path, run_id: str, journal: Journal) -> WandbLogger:
    """A logger to Weights & Biases, begun; without network where the user has not logged in.

    Args:
        config: recorded with the run.
        section: `logging.wandb`.
        folder: of the run; wandb's own folder is made inside it.
        run_id: the same when a run is continued, so that wandb continues its curves.
        journal: told where the run is seen, and when `mode: auto` goes on offline because wandb cannot be reached.

    Raises:
        TrainingError: `mode: online` was asked for and wandb cannot be reached.
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
    if run is not None:
        journal.say(
            f"wandb: {run.url}" if run.url else f"wandb: offline; `wandb sync {Path(run.dir).parent}` uploads it"
        )
    return FinishedWandbLogger(experiment=run)


def _begin_wandb(
    config: RunConfig, section: WandbConfig, folder: Path, run_id: str, mode: Literal["online", "offline"] | None
) -> Any:
    if not is_first_process():
        return None
    # wandb falls back on the system's temporary folder where its own is not there yet.
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
        config=config.model_dump(mode="json"),
        settings=wandb.Settings(silent=True, console="off", init_timeout=_PATIENCE_SECONDS),
    )
    run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
    return run


def wandb_mode(section: WandbConfig) -> Literal["online", "offline"] | None:
    """Where to log to; `None` leaves it to wandb.

    As configured; else as `WANDB_MODE` says, which wandb reads itself; else online where `wandb login` was done.
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
