"""Section of the report: data, settings and software of the potential, and details of the report."""

from __future__ import annotations

import json
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from potentials.durations import format_duration
from potentials.errors import PotentialsError
from potentials.pages import Details, Paragraph, Part, Section, Table
from potentials.potential.model_file import read_header
from potentials.report.judging import number
from potentials.report.subject import RUN_UNKNOWN, Subject

TITLE = "Provenance"
GOOD = "everything needed to reproduce the potential is listed: configuration, data, versions."
_PACKAGES = ("potentials", "torch", "lightning", "e3nn", "ase", "numpy")
_LABELS = {"git, working folder": "git commit of the working folder"}
"""Labels on the page for names in `report.json`."""
_PATIENCE = 10.0
"""Time limit of git in seconds."""


def section(subject: Subject) -> Section:
    """Build tables of facts, and the configuration."""
    header = read_header(subject.model_file)
    parts: list[Part] = [
        Table(["", "model"], _model_rows(subject, header), text_columns=(1,)),
        _energies(subject),
        Table(["package", "model written with", "now"], _versions(header)),
        Table(
            ["", "this report"], [[_LABELS.get(name, name), value] for name, value in _report_rows()], text_columns=(1,)
        ),
        *_configuration(subject, header),
    ]
    return Section(TITLE, GOOD, parts)


def facts(subject: Subject) -> dict[str, Any]:
    """Return the facts as names and values, for `report.json`."""
    header = read_header(subject.model_file)
    return {
        "model": dict(_model_rows(subject, header)),
        "reference_energies_eV": dict(
            zip(subject.potential.elements, subject.potential.reference_energies.tolist(), strict=True)
        ),
        "versions": {name: {"model": then, "now": now} for name, then, now in _versions(header)},
        "report": dict(_report_rows()),
    }


def _model_rows(subject: Subject, header: Mapping[str, Any]) -> list[list[str]]:
    potential, metadata = subject.potential, potential_metadata(header)
    rows = [
        ["file", str(subject.model_file.absolute())],
        ["size", f"{subject.model_file.stat().st_size:,} bytes"],
        ["sha256 of the file", sha256(subject.model_file.read_bytes()).hexdigest()],
        ["family", f"{potential.config.name}, {potential.precision}"],
        ["weights", f"{sum(weight.numel() for weight in potential.model.parameters()):,}"],
        ["elements", ", ".join(potential.elements)],
        ["cutoff", f"{potential.cutoff:g} Å"],
    ]
    if isinstance(metadata.get("training_data"), str):
        rows.append(["sha256 of the training data", metadata["training_data"]])
    if isinstance(metadata.get("epoch"), int | float):
        rows.append(["best epoch", f"{metadata['epoch']:.4g} (step {metadata.get('step', '?')})"])
    return rows + _run_rows(subject)


def potential_metadata(header: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the metadata that training wrote to the header of a model file; empty if they have another form."""
    metadata = header.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _run_rows(subject: Subject) -> list[list[str]]:
    if subject.run is None:
        return [["run", RUN_UNKNOWN]]
    rows = [["run", str(subject.run.path.absolute())]]
    try:
        status = subject.run.status()
    except PotentialsError as error:
        return [*rows, ["state of the run", str(error)]]
    if status.state == "finished" or status.elapsed > 0:
        elapsed = format_duration(timedelta(seconds=round(status.elapsed)))
        rows.append(["state of the run", f"{status.state} ({status.reason})" if status.reason else status.state])
        rows.append(["training", f"{number(status.epoch, 4)} epochs in {elapsed}"])
    for name, frames in subject.splits.items():
        rows.append([f"frames, {name}", f"{len(frames):,}"])
    return rows


def _energies(subject: Subject) -> Table:
    energies = subject.potential.reference_energies.tolist()
    rows = [[symbol, f"{energy:.6f}"] for symbol, energy in zip(subject.potential.elements, energies, strict=True)]
    return Table(
        ["element", "isolated atom (eV)"],
        rows,
        "Reference energies (E0), which are added to the energies of the model.",
    )


def _versions(header: Mapping[str, Any]) -> list[list[str]]:
    written = header.get("versions")
    written = written if isinstance(written, dict) else {}
    rows = [[package, str(written.get(package, "-")), version(package)] for package in _PACKAGES]
    return [*rows, ["Python", "-", platform.python_version()]]


def _report_rows() -> list[list[str]]:
    rows = [
        ["written", datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")],
        ["command", shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])],
        ["machine", f"{platform.node()}, {platform.platform()}"],
        ["processor", f"{processor()}, {torch.get_num_threads()} threads"],
    ]
    if torch.cuda.is_available():
        rows.append(["GPU", torch.cuda.get_device_name()])
    commit = git_commit(Path.cwd())
    if commit is not None:
        rows.append(["git, working folder", commit])
    return rows


def processor() -> str:
    """Return the name of the processor as reported by the system."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:  # not Linux
        pass
    return platform.processor() or platform.machine()


def git_commit(folder: Path) -> str | None:
    """Return the commit of a working folder and whether files differ from it; `None` without a repository or git."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=_PATIENCE
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return None
    changed = git("status", "--porcelain", "--untracked-files=no")
    return f"{commit}{', with uncommitted changes' if changed else ''}"


def _configuration(subject: Subject, header: Mapping[str, Any]) -> list[Part]:
    if subject.run is not None:
        try:
            return [Details("Configuration (resolved.yaml)", subject.run.resolved.read_text(encoding="utf-8"))]
        except (OSError, UnicodeDecodeError) as error:
            return [Paragraph(f"{subject.run.resolved} cannot be read: {error}")]
    config = potential_metadata(header).get("config") or {"model": header.get("model")}
    return [Details("Configuration in the model file", json.dumps(config, indent=2, ensure_ascii=False))]
