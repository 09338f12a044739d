"""From a configuration to data ready for training: read, labeled, split, checked, with every `auto` resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from potentials.config.run import RunConfig
from potentials.data.audit.before_training import check_splits
from potentials.data.audit.checks import check_cutoff, check_group_weights
from potentials.data.findings import Findings
from potentials.data.graph import Graphs
from potentials.data.index import ProgressCallback
from potentials.data.infer import Baseline, Statistics, infer
from potentials.data.split import Split, read_splits


@dataclass(frozen=True, eq=False)
class PreparedData:
    """Everything known about the data before training starts."""

    config: RunConfig
    """The resolved configuration: elements, average_neighbors, scale, shift and reference_energies are values."""
    train: Split
    validation: Split
    tests: dict[str, Split]
    """Named test sets; `test` when unnamed."""
    reference_energies: Mapping[str, float]
    """eV, by element."""
    notes: list[str]
    """Each inferred value with its reason, and what was left out."""
    warnings: list[str]
    splits: dict[str, Any]
    """Can be written as JSON: seed, file names and frame numbers of each split."""
    digest: str
    """sha256 of the training data, as `Split.digest` gives it."""
    inferred: frozenset[str]
    """The keys of the configuration whose values were inferred from the training data."""
    statistics: Statistics
    train_graphs: Graphs
    """Graphs of `train` for the resolved elements and cutoff, groups numbered by `groups`."""
    groups: list[str]
    """Names of the groups of all splits, in alphabetical order."""

    def with_config(self, config: RunConfig) -> PreparedData:
        """The same data for a configuration that was resolved with them before."""
        energies = config.data.reference_energies
        if not isinstance(energies, Mapping):
            raise TypeError(f"expected a resolved configuration, got data.reference_energies = {energies!r}")
        return replace(self, config=config, reference_energies=energies)


def prepare(
    config: RunConfig, report_progress: ProgressCallback = lambda text: None, baseline: Baseline | None = None
) -> PreparedData:
    """Read and check the data of a run and infer from it what the configuration leaves open.

    The result depends on the configuration and the contents of the files only. Preparing the resolved configuration
    again gives the same result.

    Frames that stay in their files (`data.loading`) are represented by their index, and, where it does not suffice, by
    a sample of `SAMPLED_FRAMES`; notes give the standard errors.

    Args:
        config: of the run.
        report_progress: callback for progress messages.
        baseline: the starting potential, if reference energies are re-estimated from its errors.

    Raises:
        DataError: something is wrong with the data; see the modules of `potentials.data`.
    """
    findings = Findings()
    check_cutoff(config.model.cutoff)
    splits = read_splits(config, findings, report_progress)
    for section, of_section in zip(config.data.sections(), list(splits.heads.values()) or [splits], strict=True):
        check_group_weights(section, of_section.group_names())  # before anything that takes long
    samples = splits.samples(config.seed)
    inferred = infer(config, splits, samples["training"], findings, baseline)
    check_splits(config, splits, samples, inferred, findings)
    return PreparedData(
        config=inferred.config,
        train=splits.train,
        validation=splits.validation,
        tests=splits.tests,
        reference_energies=inferred.reference_energies,
        notes=findings.notes,
        warnings=findings.warnings,
        splits=splits.record(),
        digest=splits.train.digest(),
        inferred=inferred.keys,
        statistics=inferred.statistics,
        train_graphs=inferred.graphs,
        groups=splits.group_names(),
    )
