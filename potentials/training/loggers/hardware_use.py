"""Hardware use of a training process and its workers."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psutil
import torch

_SECONDS = 2.0
"""Shortest time between two measurements: a query of every worker takes milliseconds."""


@dataclass(frozen=True)
class HardwareUse:
    """Hardware use of a process and its workers."""

    cpu_percent: float
    """Since the last measurement; 100 is one core."""
    memory: float
    """Resident memory, MB (powers of ten)."""
    gpu_memory: float | None
    """Peak memory reserved on the GPU, MB; `None` without a GPU."""


class HardwareWatch:
    """Measures the hardware use of this process and its workers."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._looked = time.monotonic()
        self._busy = self._cpu_seconds(self._family())

    def look(self) -> HardwareUse | None:
        """Return the current use; `None` if the last measurement is too recent."""
        now = time.monotonic()
        if now - self._looked < _SECONDS:
            return None
        family = self._family()
        busy = self._cpu_seconds(family)
        percent = 100 * max(0.0, busy - self._busy) / (now - self._looked)
        self._looked, self._busy = now, busy
        memory = sum(_resident(process) for process in family)
        gpu = torch.cuda.max_memory_reserved() / 1e6 if torch.cuda.is_initialized() else None
        return HardwareUse(percent, memory / 1e6, gpu)

    def _family(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]

    @staticmethod
    def _cpu_seconds(family: list[psutil.Process]) -> float:
        """Return the CPU time of these processes and of those that have ended."""
        own = family[0].cpu_times()
        total = own.user + own.system + getattr(own, "children_user", 0.0) + getattr(own, "children_system", 0.0)
        for worker in family[1:]:
            try:
                times = worker.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
        return float(total)


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0  # a worker that has just exited
