"""Selection of the device of a potential."""

from __future__ import annotations

import torch

from potentials.errors import SimulationError


def choose_device(name: str) -> torch.device:
    """Return the device `cpu`, `cuda` or `cuda:1`; `auto` is a GPU if available, otherwise the CPU.

    Raises:
        SimulationError: there is no such device, or PyTorch finds no GPU.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdecimal()):
        raise SimulationError(f'device: expected "cpu", "cuda", "cuda:NUMBER" or "auto", got "{name}"')
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise SimulationError(f'device: "{name}" was requested, but PyTorch finds {torch.cuda.device_count()} GPUs')
    return torch.device(name)
