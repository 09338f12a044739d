"""A process that computes structures one by one and prints its peak memory; started by `speed.py`."""

from __future__ import annotations

import ctypes
import gc
import json
import sys
from pathlib import Path

import ase.io
import torch

from potentials.potential import PotentialCalculator
from potentials.setup.memory import peak_memory


def main(model_file: str, structures: str, device: str) -> None:
    """Print a list of peak memories in bytes: after imports and compilation, and after each structure."""
    calculator = PotentialCalculator(model_file, device=device)
    growing = ase.io.read(structures, index=":")
    growing[0].calc = calculator
    growing[0].get_forces()  # compiles
    found = [_peak(torch.device(device))]
    _forget_peak()
    for atoms in growing:
        atoms.calc = calculator
        for _ in range(2):
            atoms.positions += 1e-3  # to avoid cached results
            atoms.get_forces()
        found.append(_peak(torch.device(device)))
    sys.stdout.write(json.dumps(found) + "\n")


def _peak(device: torch.device) -> int:
    """Return bytes as `peak_memory`; on Linux its value would start with the size of the parent process."""
    status = Path("/proc/self/status")
    if device.type == "cpu" and status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    return peak_memory(device)


def _forget_peak() -> None:
    """Reset the peak where possible (Linux): importing needs more memory than computing."""
    gc.collect()
    switch = Path("/proc/self/clear_refs")
    if switch.exists():
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc: returns free memory to the system
        if trim is not None:
            trim(0)
        switch.write_text("5")


if __name__ == "__main__":
    main(*sys.argv[1:])
