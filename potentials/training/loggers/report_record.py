"""Upload of a run's report to its loggers, which are already closed when the report is written."""

from __future__ import annotations

from potentials.config.logging import LoggingConfig
from potentials.training.lifecycle.journal import Journal
from potentials.training.lifecycle.run_folder import RunFolder


def record_report(folder: RunFolder, section: LoggingConfig, journal: Journal) -> None:
    """Add `report.html` to the run at Weights & Biases and MLflow, if these are enabled.

    Args:
        folder: folder of a finished run with a report.
        section: `logging` of its configuration.
        journal: receives a warning if the report cannot be added; the run and its report are complete without this.
    """
    # Imported here, because each import takes longer than reading most data sets.
    run_id = folder.status().wandb_id or ""
    if section.wandb is not None:
        from potentials.training.loggers.weights_and_biases import add_to_wandb

        add_to_wandb(folder.report, section.wandb, folder.path, run_id, journal)
    if section.mlflow is not None:
        from potentials.training.loggers.mlflow_logger import add_to_mlflow

        add_to_mlflow(folder.report, section.mlflow, run_id, journal)
