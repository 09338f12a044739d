"""The checks of a run between reading its data and training."""

from __future__ import annotations

from potentials.config.run import RunConfig
from potentials.data.audit.checks import check_group_weights, check_loss, check_neighbors, check_residual
from potentials.data.audit.leaks import leaks_between
from potentials.data.audit.quick import brief_audit
from potentials.data.findings import Findings
from potentials.data.infer import Statistics
from potentials.data.split import Splits, named_splits
from potentials.units import LENGTH_IN_ANGSTROM


def check_splits(config: RunConfig, splits: Splits, statistics: Statistics, findings: Findings) -> None:
    """Warn of what is likely to be wrong with the data of a run.

    Args:
        config: of the run, as given.
        splits: of the run. Frames that stay in their files are represented by a sample (`Split.sample`).
        statistics: of the training frames.
        findings: receives the warnings.

    Raises:
        DataError: weights are given for a group without frames.
    """
    check_loss(config, findings)
    check_group_weights(config.data, splits.group_names())
    by_name = dict(named_splits(splits))
    some = {name: split.sample(config.seed) for name, split in by_name.items()}
    whole = all(len(some[name]) == len(split) for name, split in by_name.items())
    leaks = None if whole else leaks_between(by_name, LENGTH_IN_ANGSTROM[config.data.length_unit])
    brief_audit(some, findings, leaks)
    check_neighbors(statistics, config.model.cutoff, findings)
    if config.data.reference_energies != "zero":
        check_residual(statistics, findings)
