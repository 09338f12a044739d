"""The audit of a data set: silent errors, found before training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from potentials.config.data import DataConfig
from potentials.config.data.files import Files
from potentials.config.data.labels import EnergyLabel, ForcesLabel, StressLabel
from potentials.config.messages.descriptions import counted
from potentials.config.run import RunConfig
from potentials.data.audit.energies import energy_kind
from potentials.data.audit.finding import AuditFinding
from potentials.data.audit.quick import quick_findings
from potentials.data.findings import Findings
from potentials.data.label import LabeledFrame, find_value, holds_isolated_atom, label_frames, separate_isolated_atoms
from potentials.data.read import Frame, read_frames
from potentials.data.split import named_splits, read_splits
from potentials.errors import DataError
from potentials.setup.audit.consistency import USABLE_ERROR, energy_findings, stress_findings, undeclared_stress
from potentials.setup.audit.probe import probe
from potentials.setup.survey import Candidate, ase_stress, survey

_SEVERITIES = ("error", "warning", "note")
DEFAULT_CUTOFF = 5.0
TRAINING = "training"
"""Name of the first set."""


@dataclass(frozen=True)
class AuditedData:
    """Labeled frames by set, the training set first, with isolated atoms and settings."""

    splits: Mapping[str, Sequence[LabeledFrame]]
    isolated: list[LabeledFrame]
    cutoff: float
    """A."""
    undeclared: tuple[str, ...] = ()
    """Entries that look like stresses or virials and are not used."""


@dataclass(frozen=True)
class Audit:
    """Findings of an audit, with facts about the data."""

    facts: dict[str, str]
    """Description of each set."""
    findings: list[AuditFinding]
    """In order of severity."""
    data: AuditedData

    def count(self, severity: str) -> int:
        """Return the number of findings of a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def counts(self) -> str:
        """Return the numbers of findings by severity: `1 error, 2 warnings, 0 notes`."""
        return ", ".join(counted(self.count(severity), severity) for severity in _SEVERITIES)

    @property
    def passed(self) -> bool:
        """Whether there is neither an error nor a warning."""
        return self.count("error") + self.count("warning") == 0

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary for scripts."""
        return {
            "passed": self.passed,
            "facts": self.facts,
            "findings": [finding.to_json() for finding in self.findings],
        }


def data_of_files(files: Files, others: Mapping[str, Files], labels: DataConfig, cutoff: float) -> AuditedData:
    """Read files, each given as a complete set.

    Args:
        files: the training files.
        others: further sets by name, such as `validation` and `test`.
        labels: keys and units; see `labels_of_files`.
        cutoff: A.

    Raises:
        DataError: a file is missing or unreadable, or a label cannot be read.
    """
    splits: dict[str, list[LabeledFrame]] = {}
    isolated: list[LabeledFrame] = []
    found: tuple[str, ...] = ()
    for name, split_files in {TRAINING: files, **others}.items():
        frames = read_frames(split_files)
        labeled, atoms = separate_isolated_atoms(label_frames(frames, labels, required=False))
        if not labeled:
            raise DataError(
                f"the {name} files contain only isolated atoms; expected structures with at least two atoms or a "
                "periodic cell"
            )
        splits[name] = labeled
        isolated += atoms
        found = found or _undeclared(frames, labels)
    return AuditedData(splits, isolated, cutoff, found)


def labels_of_files(files: Files, energy: str | None = None, forces: str | None = None, advice: str = "") -> DataConfig:
    """Determine the keys of the labels: those given, or those that `init` would choose; units are eV and A.

    Args:
        files: the files with labels.
        energy: key of the energies, if given.
        forces: key of the forces, if given.
        advice: how the user can give the keys, for the error message.

    Raises:
        DataError: the files contain neither energies nor forces, and no keys are given.
    """
    found = survey(read_frames(files), labels_required=energy is None and forces is None, advice=advice)
    energy, forces = energy or _key(found.energy), forces or _key(found.forces)
    return DataConfig(
        train="unused",
        energy=None if energy is None else EnergyLabel(key=energy),
        forces=None if forces is None else ForcesLabel(key=forces),
        stress=StressLabel() if ase_stress(found) else None,
        group_key=found.group_key or DataConfig.model_fields["group_key"].default,
    )


def data_of_run(config: RunConfig) -> AuditedData:
    """Read the sets of a run, as split by its configuration."""
    in_memory = config.data.model_copy(update={"loading": "memory"})
    splits = read_splits(config.model_copy(update={"data": in_memory}), Findings())
    undeclared = _undeclared([frame.frame for frame in splits.train], config.data)
    return AuditedData(dict(named_splits(splits)), splits.isolated_atoms, config.model.cutoff, undeclared)


def audit(data: AuditedData, say: Callable[[str], None] = lambda text: None) -> Audit:
    """Run all checks.

    Args:
        data: the labeled frames.
        say: called with a line of progress.
    """
    findings = [*quick_findings(data.splits, data.isolated, data.cutoff)]
    for split, frames in data.splits.items():
        say(f"fitting a small model to the {split} frames, to compare energies, forces and stresses")
        findings += _by_probe(split, _usable(frames, findings), data)
    return Audit(_facts(data), _sorted(findings), data)


def _usable(frames: Sequence[LabeledFrame], findings: Sequence[AuditFinding]) -> list[LabeledFrame]:
    """Return frames without other findings, which would distort the fitted model."""
    wrong = {
        id(frame)
        for finding in findings
        if finding.severity == "error" or finding.check == "energy-outlier"
        for frame in finding.frames
    }
    return [frame for frame in frames if id(frame.frame) not in wrong]


def _by_probe(split: str, frames: Sequence[LabeledFrame], data: AuditedData) -> Iterator[AuditFinding]:
    judge = probe(frames, min(data.cutoff, DEFAULT_CUTOFF))
    if judge is None or judge.force_error > USABLE_ERROR:
        yield _not_compared(split, judge is None)
    if judge is not None:
        yield from energy_findings(split, judge)
        yield from stress_findings(split, judge)
    for key in data.undeclared:
        if any(find_value(frame.frame.atoms, key) is not None for frame in frames):
            yield undeclared_stress(split, key, judge)


def _not_compared(split: str, is_missing: bool) -> AuditFinding:
    reason = "too few frames have forces, or there are too many elements for a small model"
    if not is_missing:
        reason = "the small model used for the comparison is too inaccurate for the forces"
    return AuditFinding(
        "not-compared",
        "note",
        f"{split}: energies, forces and stresses were not compared: {reason}",
        "without this comparison, wrong units, wrong signs and mixed levels of theory are not detected",
        "check them by other means",
    )


def _sorted(findings: Sequence[AuditFinding]) -> list[AuditFinding]:
    """Sort by severity; of equal findings from trajectories and the fitted model, keep those from trajectories."""
    kept: list[AuditFinding] = []
    seen = set()
    for finding in findings:
        about = (finding.check, finding.what.partition(":")[0])
        if not finding.check.startswith("energy-force-") or about not in seen:
            kept.append(finding)
        seen.add(about)
    return sorted(kept, key=lambda finding: _SEVERITIES.index(finding.severity))


def _key(candidates: Sequence[Candidate]) -> str | None:
    return candidates[0].key if candidates else None


def _undeclared(frames: Sequence[Frame], labels: DataConfig) -> tuple[str, ...]:
    """Return stresses or virials among the entries, if none is used."""
    if labels.stress is not None or labels.virial is not None:
        return ()
    periodic = [frame for frame in frames if frame.atoms.pbc.all() and not holds_isolated_atom(frame.atoms)]
    if not periodic:
        return ()
    return tuple(candidate.key for candidate in survey(periodic, labels_required=False).stress[:1])


def _facts(data: AuditedData) -> dict[str, str]:
    return {split: _facts_of(frames) for split, frames in data.splits.items()}


def _facts_of(frames: Sequence[LabeledFrame]) -> str:
    sizes = [len(frame.forces) for frame in frames]
    formulas = Counter(frame.frame.atoms.get_chemical_formula(empirical=True) for frame in frames)
    names = ", ".join(f"{name} ({count})" for name, count in formulas.most_common(4))
    size = f"{min(sizes)} atoms" if min(sizes) == max(sizes) else f"{min(sizes)} to {max(sizes)} atoms"
    squares = [float(np.nanmean(frame.forces**2)) for frame in frames if np.isfinite(frame.forces).any()]
    forces = f"; forces {np.sqrt(np.mean(squares)):.3g} eV/A (RMS)" if squares else "; no forces"
    return (
        f"{len(frames)} frames of {size}: {names}{', ...' if len(formulas) > 4 else ''}; {energy_kind(frames)}{forces}"
    )
