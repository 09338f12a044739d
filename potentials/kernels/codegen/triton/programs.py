"""Device support of Triton programs, and the number of channels per program."""

from __future__ import annotations

import importlib.util
import os

import torch

_WIDEST_BLOCK = 128


def is_interpreted() -> bool:
    """Return whether Triton interprets kernels in Python on the CPU (TRITON_INTERPRET=1), which is slow; for tests."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def can_run_on(device: torch.device) -> bool:
    """Return whether Triton is installed and supports a device."""
    if importlib.util.find_spec("triton") is None:
        return False
    return device.type == "cuda" or is_interpreted()


def block_of(channels: int) -> int:
    """Return the number of channels per program, a power of two."""
    return min(_WIDEST_BLOCK, 1 << max(0, channels - 1).bit_length())
