"""Going through a loader whose worker processes end with it, also when it fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch.utils.data import DataLoader


@contextmanager
def batches_of(loader: DataLoader[Any]) -> Iterator[Iterator[Any]]:
    """The batches. Left to the garbage collector, each worker of a loader that failed takes five seconds."""
    batches = iter(loader)
    try:
        yield batches
    finally:
        if loader.num_workers:
            batches._shutdown_workers()  # type: ignore[attr-defined]
