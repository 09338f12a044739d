"""Logging to MLflow, in a folder or on a server."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import MLFlowLogger
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from potentials.config.logging import MLflowConfig
from potentials.config.run import RunConfig
from potentials.errors import TrainingError
from potentials.training.lifecycle.journal import Journal
from potentials.training.lifecycle.processes import is_first_process
from potentials.training.loggers.parity_picture import parity_picture
from potentials.training.loggers.results import RunResults

_RUN = "potentials.run"
"""Tag that identifies the MLflow run of a continued run."""


class RunMLflowLogger(MLFlowLogger):
    """Lightning's MLflow logger, extended by the results of the run. The MLflow run stays open until the evaluation.

    If the server becomes unreachable, training continues: a warning is issued once, and logging stops until the next
    start.

    Args:
        warn: callback for warnings.
        options: options of Lightning's logger.
    """

    def __init__(self, warn: Callable[[str], None], **options: Any) -> None:
        super().__init__(**options)
        self._warn = warn
        self._is_lost = False

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log metrics."""
        self._try(lambda: super(RunMLflowLogger, self).log_metrics(metrics, step))

    @rank_zero_only
    def finalize(self, status: str = "success") -> None:
        """End the MLflow run if training failed; otherwise results follow."""
        if status != "success":
            self.close(failed=True)

    @rank_zero_only
    def log_results(self, results: RunResults) -> None:
        """Log the errors as metrics, and the error table, parity plots and best model as artifacts."""
        self._try(lambda: self._log_results(results))

    def _log_results(self, results: RunResults) -> None:
        client, run = self.experiment, self.run_id
        for name, value in results.figures().items():
            client.log_metric(run, name, value)
        client.log_artifact(run, str(results.errors))
        client.log_artifact(run, str(results.best))
        for split, evaluation in results.evaluations.items():
            if split != "train":
                client.log_figure(run, parity_picture(evaluation), f"parity/{split}.png")

    @rank_zero_only
    def close(self, *, failed: bool) -> None:
        """End the MLflow run."""
        self._try(lambda: super(RunMLflowLogger, self).finalize("failed" if failed else "success"))

    def _try(self, action: Callable[[], None]) -> None:
        """Call an action unless the server is unreachable: each attempt would wait for minutes."""
        from mlflow.exceptions import MlflowException

        if self._is_lost:
            return
        try:
            action()
        except MlflowException as error:
            self._is_lost = True
            self._warn(f"logging.mlflow: {error}; logging to MLflow stopped. metrics.csv and steps.csv are complete")


def mlflow_logger(
    config: RunConfig, section: MLflowConfig, folder: Path, run_id: str, journal: Journal
) -> RunMLflowLogger:
    """Create an MLflow logger and start its run, or continue the run of an earlier start.

    Args:
        config: configuration recorded as parameters.
        section: `logging.mlflow`.
        folder: folder of the run.
        run_id: identifier of the run, the same when it is continued.
        journal: receives a warning if MLflow becomes unreachable.

    Raises:
        TrainingError: mlflow is not installed, or its server or folder cannot be used.
    """
    mlflow, uri = _mlflow(section)
    if not is_first_process():
        return RunMLflowLogger(journal.warn, experiment_name=section.experiment, tracking_uri=uri)
    try:
        earlier = _earlier_run(mlflow.MlflowClient(uri), section.experiment, run_id)
        logger = RunMLflowLogger(
            journal.warn,
            experiment_name=section.experiment,
            run_name=folder.name,
            tracking_uri=uri,
            tags={_RUN: run_id},
            run_id=earlier,
        )
        if earlier is None:
            logger.log_hyperparams(config.model_dump(mode="json"))
        else:
            logger.experiment.update_run(earlier, status="RUNNING")
    except mlflow.exceptions.MlflowException as error:
        raise TrainingError(f"logging.mlflow: {uri} cannot be used: {error}") from error
    return logger


def add_to_mlflow(report: Path, section: MLflowConfig, run_id: str, journal: Journal) -> None:
    """Add a report as an artifact to a finished run.

    Args:
        report: path of the HTML report.
        section: `logging.mlflow`.
        run_id: identifier with which the run was started.
        journal: receives a warning if the report cannot be added.
    """
    mlflow, uri = _mlflow(section)
    client = mlflow.MlflowClient(uri)
    try:
        run = _earlier_run(client, section.experiment, run_id)
        if run is not None:
            client.log_artifact(run, str(report))
    except mlflow.exceptions.MlflowException as error:
        journal.warn(f"logging.mlflow: {uri} cannot be used: {error}; the report of this run was not uploaded")


def _mlflow(section: MLflowConfig) -> tuple[Any, str]:
    """Return the package and its tracking location."""
    try:
        import mlflow
    except ImportError as error:
        raise TrainingError(
            f"logging.mlflow: mlflow is not installed ({error}); "
            "pip install -c constraints.txt -e '.[loggers]' in the clone"
        ) from error
    for name in ("mlflow.store.db.utils", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return mlflow, section.tracking_uri or mlflow.get_tracking_uri()


def _earlier_run(client: Any, experiment: str, run_id: str) -> str | None:
    found = client.get_experiment_by_name(experiment)
    if found is None:
        return None
    runs = client.search_runs([found.experiment_id], filter_string=f"tags.`{_RUN}` = '{run_id}'")
    return runs[0].info.run_id if runs else None
