"""TensorBoard: curves and pictures from files in the run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from potentials.errors import TrainingError
from potentials.training.loggers.parity_picture import parity_picture
from potentials.training.loggers.results import RunResults


class RunTensorBoardLogger(TensorBoardLogger):
    """Lightning's logger, with the results of the run; what belongs to training only is left out.

    Args:
        folder: of the run; the files are in its folder `tensorboard`, those of all its starts.

    Raises:
        TrainingError: tensorboard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import torch.utils.tensorboard  # noqa: F401
        except ImportError as error:
            raise TrainingError(
                f"logging.tensorboard: tensorboard is not installed ({error}); pip install 'potentials[loggers]'"
            ) from error
        super().__init__(save_dir=folder, name="", version="tensorboard", default_hp_metric=False)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log figures, and write them out at once: the process may be killed."""
        super().log_metrics(metrics, step)
        self.experiment.flush()

    def save(self) -> None:
        """Lightning would write an `hparams.yaml`, which says less than the run's `resolved.yaml`."""

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write out what there is; the results are to come."""
        self.experiment.flush()

    @rank_zero_only
    def log_results(self, results: RunResults) -> None:
        """The errors as text, and parity pictures of each split but the training frames."""
        writer = self.experiment
        writer.add_text("errors", "\n".join(f"    {line}" for line in results.table.text().splitlines()))
        for name, value in results.figures().items():
            writer.add_scalar(name, value)
        for split, evaluation in results.evaluations.items():
            if split != "train":
                writer.add_figure(f"results/{split}/parity", parity_picture(evaluation))

    @rank_zero_only
    def close(self, *, failed: bool) -> None:
        """Write out what is left."""
        self.experiment.close()
