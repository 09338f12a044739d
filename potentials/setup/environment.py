"""Checks of the installation and the machine, as printed by `potentials doctor`."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import torch
from ase.build import molecule
from packaging.requirements import Requirement

import potentials.models  # noqa: F401  (registers the families)
from potentials.config.families import families
from potentials.config.logging import WandbConfig
from potentials.data.builtin import BUILTIN_NAMES, BUILTIN_PREFIX
from potentials.data.graph import build_graph
from potentials.data.read import read_frames
from potentials.errors import DataError
from potentials.kernels.dispatch import describe_kernels
from potentials.openmp import waiting
from potentials.potential import Potential
from potentials.training.loggers.weights_and_biases import wandb_mode

Verdict = Literal["ok", "warning", "broken"]
_LITTLE_DISK = 2e9
_LITTLE_MEMORY = 2e9


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    subject: str
    verdict: Verdict
    value: str
    advice: str = ""
    """What to do if the verdict is not `ok`."""


def examine() -> list[Finding]:
    """Check Python, packages, processor, GPU, disk, Weights & Biases, kernels and built-in data."""
    return [
        _python(),
        *_packages(),
        _processor(),
        _memory(),
        _gpu(),
        _kernels(),
        _folder("current folder", Path.cwd()),
        _folder("temporary files", Path(tempfile.gettempdir())),
        _wandb(),
        *(_builtin(name) for name in BUILTIN_NAMES),
    ]


def _python() -> Finding:
    return Finding("python", "ok", f"{platform.python_version()} ({sys.executable}), {platform.platform()}")


def _packages() -> list[Finding]:
    """Check this package, and the installed version of each requirement."""
    findings = [Finding("potentials", "ok", f"{metadata.version('potentials')} ({Path(__file__).parents[1]})")]
    for text in metadata.requires("potentials") or []:
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        findings.append(_package(requirement))
    return findings


def _package(requirement: Requirement) -> Finding:
    advice = f"pip install '{requirement}'"
    try:
        installed = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return Finding(requirement.name, "broken", "not installed", advice)
    if not requirement.specifier.contains(installed, prereleases=True):
        return Finding(requirement.name, "broken", f"{installed}, but {requirement.specifier} is needed", advice)
    return Finding(requirement.name, "ok", installed)


def _processor() -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = torch.get_num_threads()
    value = f"{cores} cores for this process, {threads} threads in torch; wait policy of idle threads: {waiting()}"
    if threads > cores:
        advice = f"more threads than cores slow down training; run: export OMP_NUM_THREADS={cores}"
        return Finding("cpu", "warning", value, advice)
    if "OMP_NUM_THREADS" in os.environ and threads < cores:
        value += f" (OMP_NUM_THREADS={os.environ['OMP_NUM_THREADS']})"
    return Finding("cpu", "ok", value)


def _memory() -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if total < _LITTLE_MEMORY:
        return Finding(
            "memory", "warning", f"{total / 1e9:.1f} GB", "keep batches (data.batch_size) and model.channels small"
        )
    return Finding("memory", "ok", f"{total / 1e9:.1f} GB")


def _gpu() -> Finding:
    if torch.cuda.is_available():
        cards = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
        return Finding("gpu", "ok", ", ".join(f"{card.name} ({card.total_memory / 1e9:.0f} GB)" for card in cards))
    if shutil.which("nvidia-smi") is None:
        return Finding("gpu", "ok", "none; the CPU is used")
    if torch.version.cuda is None:
        return Finding(
            "gpu", "warning", "a driver was found, but torch is built for the CPU", "install a CUDA build of torch"
        )
    advice = f"torch is built for CUDA {torch.version.cuda}; check that `nvidia-smi` works and its driver is recent"
    return Finding("gpu", "warning", "a driver was found, but torch cannot use it", advice)


def _kernels() -> Finding:
    """Compute energy and forces of a molecule with the operators of the models."""
    config = families()["mace"].model_validate(
        {"name": "mace", "channels": 4, "elements": ["H", "O"], "average_neighbors": 2.0, "scale": 1.0, "shift": 0.0}
    )
    advice = "the installed torch does not run the kernels; install the versions of constraints.txt"
    try:
        potential = Potential(config, {"H": 0.0, "O": 0.0})
        forces = potential(build_graph(molecule("H2O"), potential.elements, potential.cutoff)).forces
    except (RuntimeError, ImportError, OSError) as error:
        return Finding("kernels", "broken", f"{type(error).__name__}: {error}", advice)
    if forces is None or not bool(torch.isfinite(forces).all()):
        return Finding("kernels", "broken", "forces of a test molecule are not finite", advice)
    return Finding("kernels", "ok", f"{describe_kernels(forces)}; forces of a test molecule computed")


def _folder(subject: str, folder: Path) -> Finding:
    if not os.access(folder, os.W_OK):
        return Finding(
            subject,
            "broken",
            f"{folder} cannot be written",
            "work in a folder with write permission; runs are written to ./runs",
        )
    free = shutil.disk_usage(folder).free
    value = f"{folder}, {free / 1e9:.0f} GB free"
    if free < _LITTLE_DISK:
        return Finding(subject, "warning", value, "delete files on this disk: checkpoints and trajectories need space")
    return Finding(subject, "ok", value)


def _wandb() -> Finding:
    mode = wandb_mode(WandbConfig())
    if mode is None:
        return Finding("wandb login", "ok", f"WANDB_MODE={os.environ['WANDB_MODE']} applies to runs with logging.wandb")
    if mode == "online":
        return Finding("wandb login", "ok", "logged in; runs with logging.wandb are online")
    return Finding("wandb login", "ok", "not logged in; runs with logging.wandb are offline (wandb login, wandb sync)")


def _builtin(name: str) -> Finding:
    subject = f"{BUILTIN_PREFIX}{name}"
    try:
        frame, *_ = read_frames(f"{subject}@0")
    except DataError as error:
        return Finding(subject, "broken", str(error), "reinstall the package")
    return Finding(subject, "ok", f"readable ({frame.file})")
