"""The folder of a run: its files, and checks that the run can be continued."""

from __future__ import annotations

import fcntl
import json
import math
import os
import socket
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from potentials.config import dump_config, load_config
from potentials.config.run import RunConfig
from potentials.errors import FolderInUseError, TrainingError
from potentials.files import write_text

State = Literal["running", "interrupted", "finished"]
Reason = Literal["max_epochs", "max_time", "early_stopping", "fitted", "interrupted", ""]

PREVIOUS = "previous.ckpt"
"""Name of the previous checkpoint."""
MAY_CHANGE = (
    "run",
    "train.max_epochs",
    "train.max_time",
    "train.checkpoint_interval",
    "train.nonfinite_steps",
    "train.accelerator",
    "train.devices",
    "train.nodes",
    "train.strategy",
    "train.kernels",
    "logging",
    "data.loading",
    "data.workers",
    "data.evaluation_batch_size",
)
"""Keys that may differ when a run is continued: those of duration, hardware, files and logging."""


@dataclass(frozen=True)
class Status:
    """State of a run, stored in `status.json` for the next start and for monitoring."""

    state: State = "running"
    reason: Reason = ""
    """Reason why the run stopped."""
    epoch: float = 0.0
    elapsed: float = 0.0
    """Seconds of training, summed over continuations."""
    training_data: str = ""
    """Digest of the training data."""
    wandb_id: str | None = None
    """Identifier by which loggers recognize a continued run."""
    max_epochs: int | None = None
    host: str = ""
    """Name of the machine of the latest start."""
    pid: int | None = None
    """Process ID of the first process."""
    started: str = ""
    """Time of the latest start, with the time zone (ISO 8601)."""
    updated: str = ""
    """Time of writing, in the same format; between start and end, `steps.csv` shows the progress."""

    def begun(self, digest: str, max_epochs: int) -> Status:
        """Return the status of a start that begins now in this process."""
        return replace(
            self,
            state="running",
            training_data=digest,
            # The agent of a sweep sets the name of its run.
            wandb_id=self.wandb_id or os.environ.get("WANDB_RUN_ID") or uuid4().hex,
            max_epochs=max_epochs,
            host=socket.gethostname(),
            pid=os.getpid(),
            started=_now(),
        )


@dataclass(frozen=True)
class ContinuedConfig:
    """Configuration with which a run is continued."""

    config: RunConfig
    remarks: list[str]
    """Remarks for the user on the configuration."""


class RunFolder:
    """Paths of the files in a run folder.

    Args:
        run: a name under `runs/` in the current folder, or a path if it contains a slash.
    """

    def __init__(self, run: str) -> None:
        self.path = Path(run) if "/" in run else Path("runs") / run
        self.name = self.path.name
        self.resolved = self.path / "resolved.yaml"
        self.splits = self.path / "splits.json"
        self.log = self.path / "log.txt"
        self.metrics = self.path / "metrics.csv"
        self.steps = self.path / "steps.csv"
        self.checkpoint = self.path / "last.ckpt"
        self.previous_checkpoint = self.path / PREVIOUS
        self.best = self.path / "best.potential"
        self.errors = self.path / "errors.json"
        self.report = self.path / "report.html"
        self.report_record = self.path / "report.json"
        self.status_file = self.path / "status.json"

    @property
    def holds_a_run(self) -> bool:
        """Return whether an earlier start finished, or wrote a checkpoint to continue from."""
        finished = self.status().state == "finished"
        return self.resolved.is_file() and (self.has_checkpoint or finished)

    @property
    def has_checkpoint(self) -> bool:
        """Return whether there is a checkpoint, damaged or not."""
        return self.checkpoint.is_file() or self.previous_checkpoint.is_file()

    def create(self) -> None:
        """Create the folder.

        Raises:
            TrainingError: the folder cannot be created.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrainingError(f"run: cannot create the folder {self.path}: {error}") from error

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Prevent other processes from training in this folder; the lock is released however this process ends.

        Raises:
            FolderInUseError: another process is training in this folder.
        """
        with self.log.open("a") as log:
            try:
                fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise FolderInUseError(f"{self.path}: another process is training in this folder") from error
            yield

    def forget(self) -> None:
        """Remove the files of an earlier start that did not finish its first epoch."""
        for file in (
            self.best,
            self.errors,
            self.metrics,
            self.steps,
            self.report,
            self.report_record,
            self.status_file,
        ):
            file.unlink(missing_ok=True)

    def status(self) -> Status:
        """Read `status.json`; return a new status if the file does not exist.

        Raises:
            TrainingError: the file is not a valid status.
        """
        if not self.status_file.is_file():
            return Status()
        try:
            return Status(**json.loads(self.status_file.read_text(encoding="utf-8")))
        except (TypeError, ValueError) as error:
            raise TrainingError(
                f"{self.status_file} is damaged ({error}); delete it to continue from the last checkpoint"
            ) from error

    def write_status(self, status: Status) -> None:
        """Replace `status.json`."""
        self.write_json(self.status_file, replace(status, updated=_now()).__dict__)

    def write_config(self, config: RunConfig) -> None:
        """Replace `resolved.yaml`."""
        header = f"The resolved configuration of the run {self.name}; `potentials train` reproduces it from this file."
        write_text(self.resolved, dump_config(config, header))

    def write_json(self, file: Path, data: Any) -> None:
        """Write a JSON file atomically."""
        write_text(file, json.dumps(data, indent=1) + "\n")

    def continued_config(self, config: RunConfig, digest: str, inferred: Collection[str] = ()) -> ContinuedConfig:
        """Return the configuration to continue with: the earlier one, with keys that may change taken from `config`.

        Args:
            config: the resolved configuration of this start.
            digest: digest of the training data of this start.
            inferred: keys whose values are computed from the training data. For the same data the earlier values are
                kept, because statistics of a sample differ from those of all frames.

        Raises:
            TrainingError: a key differs that must not change, or the training data differ.
        """
        earlier = load_config(self.resolved)
        before, now = _flat(earlier.model_dump(mode="json")), _flat(config.model_dump(mode="json"))
        keys = sorted({*before, *now})
        recorded = self.status().training_data
        ignored = MAY_CHANGE if recorded != digest else (*MAY_CHANGE, *inferred)
        differing = [key for key in keys if not _same(before.get(key), now.get(key)) and not _is_among(key, ignored)]
        lines = [f"  {key}: {_shown(before, key)} -> {_shown(now, key)}" for key in differing]
        if recorded and recorded != digest:
            lines.append("  the contents of the training data")
        if lines:
            raise TrainingError(
                f"{self.path} holds a run that was started with a different configuration, so it cannot be "
                "continued. Changed:\n"
                + "\n".join(lines)
                + f"\nGive the new run another name (run=...), or delete {self.path} to start over"
            )
        return ContinuedConfig(_with_changes(earlier, config), _remarks(earlier, config))


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


def is_finished(status: Status, config: RunConfig) -> bool:
    """Return whether a run is complete under this configuration, which may allow more epochs or time than before."""
    if status.state != "finished":
        return False
    limit = config.train.max_time
    out_of_time = limit is not None and limit.total_seconds() <= status.elapsed
    return status.reason in ("early_stopping", "fitted") or status.epoch >= config.train.max_epochs or out_of_time


def _remarks(earlier: RunConfig, now: RunConfig) -> list[str]:
    before, after = earlier.train.max_epochs, now.train.max_epochs
    second_stage = earlier.train.second_stage
    affected = ["the cosine schedule"] if earlier.train.schedule.name == "cosine" else []
    affected += ["the start of the second stage"] if second_stage and not isinstance(second_stage.start, int) else []
    if before == after or not affected:
        return []
    return [f"train.max_epochs {before} -> {after} also changes {' and '.join(affected)}"]


def _flat(data: Any, prefix: str = "") -> dict[str, Any]:
    """Flatten nested dictionaries: `{"a": {"b": 1}}` becomes `{"a.b": 1}`."""
    if not isinstance(data, dict) or not data:
        return {prefix: data}
    flat: dict[str, Any] = {}
    for key, value in data.items():
        flat |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
    return flat


def _same(before: Any, now: Any) -> bool:
    """Compare values, numbers up to rounding: results of least squares differ in the last digits between machines."""
    if isinstance(before, float) and isinstance(now, float):
        return math.isclose(before, now, rel_tol=1e-6, abs_tol=1e-9)
    return bool(before == now)


def _is_among(key: str, keys: Iterable[str]) -> bool:
    """Return whether a key, or a section that contains it, is listed."""
    return any(key == named or key.startswith(f"{named}.") for named in keys)


def _shown(flat: dict[str, Any], key: str) -> str:
    return json.dumps(flat[key]) if key in flat else "(absent)"


def _with_changes(earlier: RunConfig, now: RunConfig) -> RunConfig:
    def fields(section: str) -> set[str]:
        return {key.partition(".")[2] for key in MAY_CHANGE if key.startswith(f"{section}.")}

    train = {name: getattr(now.train, name) for name in fields("train")}
    data = {name: getattr(now.data, name) for name in fields("data")}
    return earlier.model_copy(
        update={
            "run": now.run,
            "logging": now.logging,
            "train": earlier.train.model_copy(update=train),
            "data": earlier.data.model_copy(update=data),
        }
    )
