"""How much of the machine a training process takes, its workers included."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psutil
import torch

_SECONDS = 2.0
"""At least so long from one look to the next: asking the system about every worker takes milliseconds."""


@dataclass(frozen=True)
class HardwareUse:
    """What a process and its workers take."""

    cpu_percent: float
    """Since the last look; 100 is one core."""
    memory: float
    """Resident, MB (powers of ten)."""
    gpu_memory: float | None
    """Of the most it has held on its GPU, MB; `None` without one."""


class HardwareWatch:
    """Looks at this process and its workers now and then."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._looked = time.monotonic()
        self._busy = self._cpu_seconds(self._family())

    def look(self) -> HardwareUse | None:
        """What they take; `None` when the last look was a moment ago."""
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
        """Of these processes, and of those that have ended already."""
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
        return 0  # a worker that has just ended
