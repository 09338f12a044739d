"""What the operators' derivatives share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def register_operator(
    library: torch.library.Library,
    name: str,
    function: Callable[..., Any],
    fake: Callable[..., Any],
    save: Callable[..., None],
    backward: Callable[..., Any],
) -> None:
    """Give a defined operator its implementation for all devices, its shapes and its derivative."""
    library.impl(name, function, "CompositeExplicitAutograd")
    torch.library.register_fake(f"potentials::{name}", fake, lib=library)
    torch.library.register_autograd(f"potentials::{name}", backward, setup_context=save, lib=library)


def is_wanted(ctx: Any, position: int) -> bool:
    """Whether the gradient with respect to an input of an operator is needed in the backward pass that is running.

    `ctx.needs_input_grad` says whether it may ever be needed. The force pass asks for derivatives with respect to edge
    vectors only, and the loss for those with respect to parameters only: what leads elsewhere need not be computed.
    """
    if not ctx.needs_input_grad[position]:
        return False
    node = ctx.next_functions[position][0]
    if node is None:
        return True
    try:
        return torch._C._will_engine_execute_node(node)
    except RuntimeError:
        # The engine does not answer for a leaf whose gradient is what `torch.autograd.grad` was asked for.
        return True
