"""Checkpoints of a run: the last one, and the previous one in case the last is damaged."""

from __future__ import annotations

import io
import os
import random
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from lightning import LightningModule, Trainer
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO
from lightning.pytorch.callbacks import Callback

from potentials.errors import TrainingError
from potentials.files import put_in_place, write_aside
from potentials.training.lifecycle.run_folder import PREVIOUS, RunFolder
from potentials.training.lifecycle.stopping import StopRequests
from potentials.training.module import CHECKPOINT_VERSION, STATE

# Errors that torch.load raises on a file that is not a checkpoint, or is damaged where no checksum is verified.
_READ_ERRORS = (OSError, EOFError, RuntimeError, ValueError, KeyError, UnpicklingError, zipfile.BadZipFile)


class CheckpointFiles(CheckpointIO):
    """Writes `last.ckpt` such that a valid checkpoint exists at every moment, and keeps `previous.ckpt`.

    The new checkpoint is written to a temporary file and flushed to the disk before other files change. Only data are
    read, no pickled objects.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Replace the checkpoint.

        Raises:
            OSError: the checkpoint cannot be written; existing checkpoints are left unchanged.
        """
        file = Path(path)
        contents = io.BytesIO()
        torch.save(checkpoint, contents)
        partial = write_aside(file, contents.getbuffer())
        if file.is_file():
            _keep(file)
        put_in_place(partial, file)

    def load_checkpoint(
        self, path: str | os.PathLike[str], map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint."""
        return torch.load(path, map_location=map_location or "cpu", weights_only=True)

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Remove a checkpoint."""
        Path(path).unlink(missing_ok=True)


def usable_checkpoint(folder: RunFolder, warn: Callable[[str], None]) -> Path | None:
    """Return the checkpoint to continue from: the last one, or the previous one if that is damaged; `None` without any.

    Args:
        folder: folder of the run.
        warn: called with a message if the last checkpoint is damaged.

    Raises:
        TrainingError: checkpoints exist but none is readable, or another release wrote them.
    """
    files = [file for file in (folder.checkpoint, folder.previous_checkpoint) if file.is_file()]
    problems: list[str] = []
    for file in files:
        problem = _damage(file)
        if problem is None:
            for said in problems:
                warn(f"{said}; continuing from the previous checkpoint, {file}")
            return file
        problems.append(f"{file} {problem}")
    if problems:
        raise TrainingError(
            f"{'; '.join(problems)}. The run cannot be continued; the best model so far is {folder.best}. "
            f"Delete {folder.path} to start over, or give the new run another name (run=...)"
        )
    return None


class RunCheckpoint(Callback):
    """Writes `last.ckpt` at the end of every epoch, and within an epoch before an interruption or if the epoch is long.

    Batches are drawn by (seed, epoch), and the number of batches trained on is stored in the checkpoint
    (`GraphDataModule.state_dict`), as are the states of all random number generators. A continued run is therefore
    bitwise identical to an uninterrupted run, wherever it was interrupted.
    """

    def __init__(self, path: Path, stop: StopRequests) -> None:
        self.path = path
        self.stop = stop

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write a checkpoint within an epoch if one is due."""
        if self.stop.checkpoint_is_due:
            self._write(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write a checkpoint after the validation of a complete epoch."""
        if trainer.is_last_batch:
            self._write(trainer)

    def state_dict(self) -> dict[str, Any]:
        """Return the states of the random number generators of all processes, ordered by rank."""
        mine = _random_state()
        if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
            return {"processes": [mine]}
        states: list[Any] = [None] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(states, mine)
        return {"processes": states}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the random states. Lightning calls this before the first batch, as in an uninterrupted run."""
        states = state_dict["processes"]
        initialized = torch.distributed.is_available() and torch.distributed.is_initialized()
        same_number = initialized and torch.distributed.get_world_size() == len(states)
        _set_random_state(states[torch.distributed.get_rank() if same_number else 0])

    def _write(self, trainer: Trainer) -> None:
        trainer.save_checkpoint(self.path, weights_only=False)
        self.stop.saved()


def _keep(file: Path) -> None:
    """Keep the current checkpoint as the previous one; where hard links are possible, its name exists at all times."""
    previous = file.with_name(PREVIOUS)
    link = file.with_name(f".{PREVIOUS}.partial")
    link.unlink(missing_ok=True)
    try:
        os.link(file, link)
    except OSError:
        file.replace(previous)
    else:
        link.replace(previous)


def _damage(file: Path) -> str | None:
    """Describe the damage of a checkpoint; `None` if there is none. Verifies the checksums, unlike `torch.load`.

    Raises:
        TrainingError: the file is intact, but another release wrote it.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            broken = archive.testzip()
        if broken is not None:
            return f"is damaged: the checksum of {broken} is wrong"
        contents = torch.load(file, map_location="cpu", weights_only=True)
    except (*_READ_ERRORS, zlib.error) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return f"is damaged or not a checkpoint ({reason[:200]})"
    version = contents.get(STATE, {}).get("version") if isinstance(contents, dict) else None
    if version != CHECKPOINT_VERSION:
        raise TrainingError(
            f"{file}: a checkpoint of version {version}, but this release reads version {CHECKPOINT_VERSION}; "
            "continue with the release that started the run, or give the new run another name (run=...)"
        )
    return None


def _random_state() -> dict[str, Any]:
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    kind, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    numpy = (kind, torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, gauss)
    return {"torch": torch.get_rng_state(), "cuda": cuda, "numpy": numpy, "python": random.getstate()}


def _set_random_state(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"] and torch.cuda.device_count() == len(state["cuda"]):
        torch.cuda.set_rng_state_all([cuda.cpu() for cuda in state["cuda"]])
    kind, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, gauss))
    version, words, gauss_next = state["python"]
    random.setstate((version, tuple(words), gauss_next))
