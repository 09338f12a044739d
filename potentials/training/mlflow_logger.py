"""MLflow: runs in a folder or on a server of one's own."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import MLFlowLogger
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from potentials.config.logging import MLflowConfig
from potentials.config.run import RunConfig
from potentials.errors import TrainingError
from potentials.training.parity_picture import parity_picture
from potentials.training.processes import is_first_process
from potentials.training.results import RunResults

_RUN = "potentials.run"
"""Tag by which a continued run finds its MLflow run."""


class RunMLflowLogger(MLFlowLogger):
    """Lightning's logger, with the results of the run. MLflow's run stays open until the run is evaluated."""

    def finalize(self, status: str = "success") -> None:
        """End MLflow's run where training failed; else there are results to come."""
        if status != "success":
            super().finalize(status)

    @rank_zero_only
    def log_results(self, results: RunResults) -> None:
        """The errors as figures; the error table, parity pictures and the best model as artifacts."""
        client, run = self.experiment, self.run_id
        for name, value in results.figures().items():
            client.log_metric(run, name, value)
        client.log_artifact(run, str(results.errors))
        client.log_artifact(run, str(results.best))
        for part, evaluation in results.evaluations.items():
            if part != "train":
                client.log_figure(run, parity_picture(evaluation), f"parity/{part}.png")

    @rank_zero_only
    def close(self, *, failed: bool) -> None:
        """End MLflow's run."""
        super().finalize("failed" if failed else "success")


def mlflow_logger(config: RunConfig, section: MLflowConfig, folder: Path, run_id: str) -> RunMLflowLogger:
    """A logger to MLflow, its run begun, or taken up again where this is a continuation.

    Args:
        config: recorded as parameters.
        section: `logging.mlflow`.
        folder: of the run.
        run_id: the same when a run is continued.

    Raises:
        TrainingError: mlflow is not installed, or its server or folder cannot be used.
    """
    try:
        import mlflow
    except ImportError as error:
        raise TrainingError(
            f"logging.mlflow: mlflow is not installed ({error}); pip install 'potentials[loggers]'"
        ) from error
    uri = section.tracking_uri or mlflow.get_tracking_uri()
    for name in ("mlflow.store.db.utils", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if not is_first_process():
        return RunMLflowLogger(section.experiment, tracking_uri=uri)
    try:
        earlier = _earlier_run(mlflow.MlflowClient(uri), section.experiment, run_id)
        logger = RunMLflowLogger(
            section.experiment, run_name=folder.name, tracking_uri=uri, tags={_RUN: run_id}, run_id=earlier
        )
        if earlier is None:
            logger.log_hyperparams(config.model_dump(mode="json"))
        else:
            logger.experiment.update_run(earlier, status="RUNNING")
    except mlflow.exceptions.MlflowException as error:
        raise TrainingError(f"logging.mlflow: {uri} cannot be used: {error}") from error
    return logger


def _earlier_run(client: Any, experiment: str, run_id: str) -> str | None:
    found = client.get_experiment_by_name(experiment)
    if found is None:
        return None
    runs = client.search_runs([found.experiment_id], filter_string=f"tags.`{_RUN}` = '{run_id}'")
    return runs[0].info.run_id if runs else None
