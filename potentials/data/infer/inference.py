"""Everything that is inferred from the training frames, in its order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from potentials.config.run import RunConfig
from potentials.data.findings import Findings
from potentials.data.graph import Graphs
from potentials.data.infer.elements import find_elements
from potentials.data.infer.re_estimation import Baseline, re_estimated_energies
from potentials.data.infer.reference_energies import find_reference_energies
from potentials.data.infer.resolving import open_keys, resolve
from potentials.data.infer.statistics import Statistics, gather_statistics
from potentials.data.label import LabeledFrame
from potentials.data.split import Splits
from potentials.data.split.sampling import with_rare_elements


@dataclass(frozen=True, eq=False)
class Inferred:
    """What the training frames state about a run."""

    config: RunConfig
    """The resolved configuration."""
    keys: frozenset[str]
    """The keys whose values were inferred."""
    reference_energies: Mapping[str, float]
    """eV, by element."""
    statistics: Statistics
    graphs: Graphs
    """Of the training frames."""


def infer(
    config: RunConfig,
    splits: Splits,
    sample: Sequence[LabeledFrame],
    findings: Findings,
    baseline: Baseline | None = None,
) -> Inferred:
    """Elements, reference energies, and statistics of graphs and labels; they replace each `auto` of a configuration.

    Args:
        config: of the run.
        splits: of the run.
        sample: of the training frames (`Split.sample`); reference energies are inferred from it.
        findings: receives each inferred value with its reason.
        baseline: the starting potential, for reference energies that are re-estimated.

    Raises:
        DataError: elements or reference energies cannot be found, or no atom has a neighbor.
    """
    elements = find_elements(config.model, splits, findings)
    population, source = len(splits.train), config.data.reference_energies
    sample = with_rare_elements(sample, splits.train, config.seed)
    if baseline is None or not isinstance(source, str):
        energies = find_reference_energies(source, elements, sample, splits.isolated_atoms, findings, population)
    else:
        energies = re_estimated_energies(
            source, baseline, elements, sample, splits.isolated_atoms, findings, population
        )
    graphs = splits.train.graphs(elements, config.model.cutoff, splits.group_names())
    statistics = gather_statistics(graphs.sample(config.seed), elements, energies, population)
    resolved = resolve(config, elements, energies, statistics, findings)
    return Inferred(resolved, open_keys(config), energies, statistics, graphs)
