"""Logging to TensorBoard: curves and images from files in the run folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from potentials.errors import TrainingError
from potentials.training.loggers.parity_picture import parity_picture
from potentials.training.loggers.results import RunResults


class RunTensorBoardLogger(TensorBoardLogger):
    """Lightning's TensorBoard logger, extended by the results of the run, without hyperparameter files.

    Args:
        folder: folder of the run; the files of all starts are in its subfolder `tensorboard`.

    Raises:
        TrainingError: tensorboard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import torch.utils.tensorboard  # noqa: F401
        except ImportError as error:
            raise TrainingError(
                f"logging.tensorboard: tensorboard is not installed ({error}); "
                "pip install -c constraints.txt -e '.[loggers]' in the clone"
            ) from error
        super().__init__(save_dir=folder, name="", version="tensorboard", default_hp_metric=False)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log metrics and flush them to the disk, because the process may be killed."""
        super().log_metrics(metrics, step)
        self.experiment.flush()

    def save(self) -> None:
        """Do nothing: Lightning would write an `hparams.yaml` with less information than `resolved.yaml`."""

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Flush the data; the results follow later."""
        self.experiment.flush()

    @rank_zero_only
    def log_results(self, results: RunResults) -> None:
        """Log the errors as text, and parity plots of each split except the training set."""
        writer = self.experiment
        writer.add_text("errors", "\n".join(f"    {line}" for line in results.table.text().splitlines()))
        for name, value in results.figures().items():
            writer.add_scalar(name, value)
        for split, evaluation in results.evaluations.items():
            if split != "train":
                writer.add_figure(f"results/{split}/parity", parity_picture(evaluation))

    @rank_zero_only
    def close(self, *, failed: bool) -> None:
        """Write remaining data."""
        self.experiment.close()
