"""Time and memory of a potential on this machine for structures of several sizes."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import ase.io
import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator

from potentials.errors import SimulationError

_CALLS = 9


def multiplied(atoms: Atoms, doublings: int, cutoff: float) -> Atoms:
    """Enlarge a structure 2^doublings times: repeat its shortest periodic vector, or place copies beyond the cutoff."""
    for _ in range(doublings):
        if atoms.pbc.any():
            lengths = np.where(atoms.pbc, atoms.cell.lengths(), np.inf)
            atoms = atoms.repeat(tuple(2 if axis == int(np.argmin(lengths)) else 1 for axis in range(3)))
        else:
            extents = np.ptp(atoms.positions, axis=0)
            copy = atoms.copy()
            axis = int(np.argmin(extents))
            copy.positions[:, axis] += extents[axis] + 2 * cutoff
            atoms = atoms + copy
    return atoms


def seconds_per_call(calculator: Calculator, atoms: Atoms) -> float:
    """Measure the median wall time of energy and forces, with atoms that move slightly between calls."""
    atoms = atoms.copy()
    atoms.calc = calculator
    rng = np.random.default_rng(0)
    atoms.get_forces()  # compiles kernels, searches neighbors
    times = []
    for _ in range(_CALLS):
        atoms.positions += 1e-3 * rng.standard_normal((len(atoms), 3))
        began = time.perf_counter()
        atoms.get_forces()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def peak_memories(model_file: Path, structures: Sequence[Atoms], device: str, limit: float) -> list[int]:
    """Measure the peak memory in bytes of a separate process (on a GPU, allocated by torch) up to each structure.

    The first number is after imports, loading of the potential and its compilation.

    Args:
        model_file: model file of the potential.
        structures: in order of size.
        device: such as "cpu".
        limit: time limit in seconds.

    Raises:
        SimulationError: the process fails or exceeds the time limit.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "structures.traj"
        ase.io.write(file, list(structures))
        command = [sys.executable, "-m", "potentials.setup.memory_probe", str(model_file), str(file), device]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=True)
        except subprocess.TimeoutExpired as error:
            raise SimulationError(f"Memory was not measured: time limit ({limit:.0f} s) reached") from error
        except subprocess.CalledProcessError as error:
            last = (error.stderr or "").strip().splitlines()[-1:] or [f"code {error.returncode}"]
            raise SimulationError(f"Memory was not measured: the process failed: {last[0]}") from error
    return [int(value) for value in json.loads(done.stdout.splitlines()[-1])]


def machine(device: torch.device) -> list[tuple[str, str]]:
    """Describe the machine: processor or GPU, threads, software."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    rows = [
        ("processor", _processor()),
        ("cores, PyTorch threads", f"{cores}, {torch.get_num_threads()}"),
        ("torch, Python", f"{torch.__version__}, {platform.python_version()}"),
    ]
    if device.type == "cuda":
        rows.insert(0, ("GPU", torch.cuda.get_device_name(device)))
    return rows


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
