"""PyTorch's ambient settings, put aside while a potential computes.

Callers may have chosen inference mode, autocast or a default device for what they do themselves; none of them may
change what a potential gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

_AUTOCAST_DEVICES = ("cpu", "cuda")


@contextmanager
def own_precision() -> Iterator[None]:
    """Compute in the precision of the arguments, whatever `torch.autocast` surrounds this, on a CPU or GPU."""
    with ExitStack() as stack:
        for device in _AUTOCAST_DEVICES:
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield


@contextmanager
def plain_torch_state() -> Iterator[None]:
    """Without inference mode and autocast, and with the CPU as the default device, while the context lasts.

    Tensors made in inference mode could never take part in a derivative, autocast rounds products to a lower precision
    than the potential's, and a default device puts new tensors where the weights are not.
    """
    if torch.compiler.is_compiling():
        # What is traced belongs to the caller's graph, and these contexts cannot be traced.
        yield
        return
    with ExitStack() as stack:
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
        stack.enter_context(own_precision())
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        yield
