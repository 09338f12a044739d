"""Where Triton's programs can run, and how many channels each of them takes."""

from __future__ import annotations

import importlib.util
import os

import torch

_WIDEST_BLOCK = 128


def is_interpreted() -> bool:
    """Whether Triton runs its kernels in Python, on a CPU, slowly: TRITON_INTERPRET=1, which tests use."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def can_run_on(device: torch.device) -> bool:
    """Whether Triton is installed and runs on a device."""
    if importlib.util.find_spec("triton") is None:
        return False
    return device.type == "cuda" or is_interpreted()


def block_of(channels: int) -> int:
    """Channels of one program: a power of two."""
    return min(_WIDEST_BLOCK, 1 << max(0, channels - 1).bit_length())
