"""A run's report among what its loggers hold; it is made when they have been closed."""

from __future__ import annotations

from potentials.config.logging import LoggingConfig
from potentials.training.lifecycle.journal import Journal
from potentials.training.lifecycle.run_folder import RunFolder


def record_report(folder: RunFolder, section: LoggingConfig, journal: Journal) -> None:
    """Add `report.html` to the run at Weights & Biases and MLflow, where the run is logged there.

    Args:
        folder: of a finished run whose report has been made.
        section: `logging` of its configuration.
        journal: told where a report could not be added; the run and its report are complete without.
    """
    # Imported here, as each takes longer than reading most data.
    run_id = folder.status().wandb_id or ""
    if section.wandb is not None:
        from potentials.training.loggers.weights_and_biases import add_to_wandb

        add_to_wandb(folder.report, section.wandb, folder.path, run_id, journal)
    if section.mlflow is not None:
        from potentials.training.loggers.mlflow_logger import add_to_mlflow

        add_to_mlflow(folder.report, section.mlflow, run_id, journal)
