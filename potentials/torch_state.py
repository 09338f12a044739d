"""Protection against PyTorch's ambient settings while a potential is evaluated.

Callers may use inference mode, autocast or a default device for their own code; none of these may change the
results of a potential.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

_AUTOCAST_DEVICES = ("cpu", "cuda")


@contextmanager
def own_precision() -> Iterator[None]:
    """Disable `torch.autocast` within the context, on CPU and GPU, so that the precision of the arguments is used."""
    with ExitStack() as stack:
        for device in _AUTOCAST_DEVICES:
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield


@contextmanager
def plain_torch_state() -> Iterator[None]:
    """Disable inference mode and autocast within the context, and make the CPU the default device.

    Tensors created in inference mode cannot be differentiated, autocast reduces the precision of products below that of
    the potential, and a default device places new tensors on a device other than that of the weights.
    """
    if torch.compiler.is_compiling():
        # Traced code belongs to the caller's graph, and these contexts cannot be traced.
        yield
        return
    with ExitStack() as stack:
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
        stack.enter_context(own_precision())
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        yield
