"""A process that computes structures one after the other and says how large it became; `speed.py` starts it."""

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
    """Print a list of bytes: for imports, the potential and its compilation, and after each structure."""
    calculator = PotentialCalculator(model_file, device=device)
    growing = ase.io.read(structures, index=":")
    growing[0].calc = calculator
    growing[0].get_forces()  # compiles
    found = [_peak(torch.device(device))]
    _forget_peak()
    for atoms in growing:
        atoms.calc = calculator
        for _ in range(2):
            atoms.positions += 1e-3  # computed anew
            atoms.get_forces()
        found.append(_peak(torch.device(device)))
    sys.stdout.write(json.dumps(found) + "\n")


def _peak(device: torch.device) -> int:
    """Bytes, as `peak_memory`; but on Linux that begins with the size of the process which started this one."""
    status = Path("/proc/self/status")
    if device.type == "cpu" and status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    return peak_memory(device)


def _forget_peak() -> None:
    """Let the largest size begin anew, where the system can (Linux): importing everything needs more than computing."""
    gc.collect()
    switch = Path("/proc/self/clear_refs")
    if switch.exists():
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc: gives back what is free
        if trim is not None:
            trim(0)
        switch.write_text("5")


if __name__ == "__main__":
    main(*sys.argv[1:])
