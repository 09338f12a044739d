"""The checks of a run between reading its data and training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from potentials.config.run import RunConfig
from potentials.config.starting import REPLAY_HEAD
from potentials.data.audit.checks import check_loss, check_neighbors, check_residual
from potentials.data.audit.leaks import leaks_between
from potentials.data.audit.quick import brief_audit
from potentials.data.findings import Findings
from potentials.data.infer import Inferred, Statistics
from potentials.data.label import LabeledFrame
from potentials.data.split import Splits, config_of_head, named_splits
from potentials.units import LENGTH_IN_ANGSTROM


def check_splits(
    config: RunConfig,
    splits: Splits,
    samples: Mapping[str, Sequence[LabeledFrame]],
    inferred: Inferred,
    findings: Findings,
) -> None:
    """Warn of what is likely to be wrong with the data of a run.

    Args:
        config: of the run, as given.
        splits: of the run.
        samples: of each split, by name (`Splits.samples`).
        inferred: from the training frames.
        findings: receives the warnings.
    """
    if not splits.heads:
        _check_labels(config, splits, samples, inferred.statistics, findings)
    # Levels of theory differ, so the labels of each head are compared with each other only.
    for name, of_head in splits.heads.items():
        replay = config.fine_tune.replay
        if name == REPLAY_HEAD and replay is not None and replay.files is None:
            continue  # all labels are those of the starting potential
        found = Findings()
        statistics = inferred.statistics_of_heads[name]
        _check_labels(config_of_head(config, name), of_head, of_head.samples(config.seed), statistics, found)
        findings.add(found, f"head {name}")
    check_neighbors(inferred.statistics, config.model.cutoff, findings)


def _check_labels(
    config: RunConfig,
    splits: Splits,
    samples: Mapping[str, Sequence[LabeledFrame]],
    statistics: Statistics,
    findings: Findings,
) -> None:
    check_loss(config, findings)
    by_name = dict(named_splits(splits))
    whole = all(len(samples[name]) == len(split) for name, split in by_name.items())
    leaks = None if whole else leaks_between(by_name, LENGTH_IN_ANGSTROM[config.data.length_unit])
    brief_audit(samples, findings, leaks)
    if config.data.reference_energies != "zero":
        check_residual(statistics, findings)
