"""The checks of a run between reading its data and training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from potentials.config.run import RunConfig
from potentials.data.audit.checks import check_loss, check_neighbors, check_residual
from potentials.data.audit.leaks import leaks_between
from potentials.data.audit.quick import brief_audit
from potentials.data.findings import Findings
from potentials.data.infer import Statistics
from potentials.data.label import LabeledFrame
from potentials.data.split import Splits, named_splits
from potentials.units import LENGTH_IN_ANGSTROM


def check_splits(
    config: RunConfig,
    splits: Splits,
    samples: Mapping[str, Sequence[LabeledFrame]],
    statistics: Statistics,
    findings: Findings,
) -> None:
    """Warn of what is likely to be wrong with the data of a run.

    Args:
        config: of the run, as given.
        splits: of the run.
        samples: of each split, by name (`Splits.samples`).
        statistics: of the training frames.
        findings: receives the warnings.
    """
    check_loss(config, findings)
    by_name = dict(named_splits(splits))
    whole = all(len(samples[name]) == len(split) for name, split in by_name.items())
    leaks = None if whole else leaks_between(by_name, LENGTH_IN_ANGSTROM[config.data.length_unit])
    brief_audit(samples, findings, leaks)
    check_neighbors(statistics, config.model.cutoff, findings)
    if config.data.reference_energies != "zero":
        check_residual(statistics, findings)
