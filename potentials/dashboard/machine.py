"""Hardware of this machine and its use."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from typing import Any

import psutil

_SECONDS = 3.0
"""Longest age of measurements in seconds."""
_QUERY = ("name", "utilization.gpu", "memory.used", "memory.total")


class Machine:
    """Measures the use of processors, memory and NVIDIA GPUs, at most every few seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._figures: dict[str, Any] = {}
        self._looked = float("-inf")
        self._times = _cpu_times()

    def figures(self) -> dict[str, Any]:
        """Return processor use (% of all), memory in bytes, and a list of GPUs, which is empty without `nvidia-smi`."""
        with self._lock:
            if time.monotonic() - self._looked > _SECONDS:
                memory = psutil.virtual_memory()
                self._figures = {
                    "cores": psutil.cpu_count() or 1,
                    "cpu_percent": self._cpu_percent(),
                    "memory_used": memory.total - memory.available,
                    "memory_total": memory.total,
                    "gpus": gpus(),
                }
                self._looked = time.monotonic()
            return self._figures

    def _cpu_percent(self) -> float | None:
        """Return the use since the last call from any thread; psutil would count per thread."""
        before, self._times = self._times, _cpu_times()
        busy, total = self._times[0] - before[0], self._times[1] - before[1]
        return round(100 * busy / total, 1) if total > 0.5 else None


def _cpu_times() -> tuple[float, float]:
    """Return the busy and the total time of the processors in seconds."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    total = sum(
        getattr(times, name, 0.0) for name in ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
    )
    return total - idle, total


def gpus() -> list[dict[str, Any]]:
    """Return name, use (%) and memory (MiB) of each GPU found by `nvidia-smi`; empty if it is missing or fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, f"--query-gpu={','.join(_QUERY)}", "--format=csv,noheader,nounits"]
    try:
        output = subprocess.run(command, capture_output=True, text=True, timeout=3, check=True).stdout
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return []
    return [gpu for line in output.splitlines() if (gpu := _gpu(line)) is not None]


def _gpu(line: str) -> dict[str, Any] | None:
    cells = [cell.strip() for cell in line.split(",")]
    if len(cells) != len(_QUERY):
        return None
    figures = [float(cell) if cell.replace(".", "", 1).isdigit() else None for cell in cells[1:]]
    return {"name": cells[0], "percent": figures[0], "memory_used": figures[1], "memory_total": figures[2]}
