"""The checkpoint that a run continues from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from potentials.training.module import TrainingModule


class RunCheckpoint(Callback):
    """Writes `last.ckpt` at the end of every complete epoch.

    Never within an epoch: batches are drawn per epoch, so that a run continued from its last complete epoch is the
    uninterrupted run to the bit, wherever it was cut off. The random state is saved with it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write it; the file appears whole or not at all."""
        if not cast(TrainingModule, pl_module).epoch_complete:
            return
        partial = self.path.with_name(f".{self.path.name}.partial")
        trainer.save_checkpoint(partial, weights_only=False)
        if trainer.is_global_zero:
            partial.replace(self.path)

    def state_dict(self) -> dict[str, Any]:
        """The state of torch's random number generators."""
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
        return {"torch": torch.get_rng_state(), "cuda": cuda}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Set it. Lightning calls this before the first batch is drawn, where an uninterrupted run had it too."""
        torch.set_rng_state(state_dict["torch"].cpu())
        if state_dict["cuda"] and torch.cuda.device_count() == len(state_dict["cuda"]):
            torch.cuda.set_rng_state_all([state.cpu() for state in state_dict["cuda"]])
