"""Everything that is inferred from the training frames, in its order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from potentials.config.run import RunConfig
from potentials.data.findings import Findings
from potentials.data.graph import Graphs
from potentials.data.infer.elements import find_elements
from potentials.data.infer.re_estimation import Baseline, re_estimated_energies
from potentials.data.infer.reference_energies import find_reference_energies
from potentials.data.infer.resolving import open_keys, resolve, resolve_heads
from potentials.data.infer.statistics import Statistics, gather_statistics, joint_statistics
from potentials.data.label import LabeledFrame
from potentials.data.split import Splits, config_of_head
from potentials.data.split.sampling import with_rare_elements
from potentials.errors import DataError


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
    statistics_of_heads: Mapping[str, Statistics] = field(default_factory=dict)
    """Of the training frames of each head, if there are several."""


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
    elements = find_elements(config.model, splits, findings, config.start_from is not None)
    if splits.heads:
        return _infer_heads(config, splits, elements, findings, baseline)
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


def _infer_heads(
    config: RunConfig, splits: Splits, elements: list[str], findings: Findings, baseline: Baseline | None
) -> Inferred:
    """Infer reference energies, scale and shift of each head, and the number of neighbors from the frames of all."""
    shared: dict[str, Any] = {"elements": elements}
    if config.model.average_neighbors == "auto":
        shared["average_neighbors"] = 1.0  # replaced below, from all heads
    of_heads: dict[str, Inferred] = {}
    for name, of_head in splits.heads.items():
        settings = config_of_head(config, name)
        settings = settings.model_copy(update={"model": settings.model.model_copy(update=shared)})
        found = Findings()
        sample = of_head.train.sample(config.seed)
        try:
            of_heads[name] = infer(settings, of_head, sample, found, baseline)
        except DataError as error:
            raise error.within(f"head {name}") from error
        findings.add(found, f"head {name}")
    graphs = splits.train.graphs(elements, config.model.cutoff, splits.group_names())
    statistics = joint_statistics([inferred.statistics for inferred in of_heads.values()])
    if config.model.average_neighbors == "auto":
        shared["average_neighbors"] = statistics.average_neighbors
        findings.note(
            f"model.average_neighbors = {statistics.average_neighbors:.2f} (mean over {statistics.num_frames} training "
            f"frames of all heads within {config.model.cutoff:g} A)"
        )
    frames = {name: len(of_head.train) for name, of_head in splits.heads.items()}
    configs = {name: inferred.config for name, inferred in of_heads.items()}
    resolved = resolve_heads(config, configs, shared, frames, findings)
    first = next(iter(of_heads.values()))
    of_each = {name: inferred.statistics for name, inferred in of_heads.items()}
    return Inferred(resolved, open_keys(config), first.reference_energies, statistics, graphs, of_each)
