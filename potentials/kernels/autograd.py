"""What the operators' derivatives share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def register_operator(
    library: torch.library.Library,
    name: str,
    function: Callable[..., Any],
    fake: Callable[..., Any],
    save: Callable[..., None],
    backward: Callable[..., Any],
) -> Callable[..., Any]:
    """Give a defined operator its implementation for all devices, its shapes and its derivative.

    Returns:
        What calls it. Where nothing is being traced it goes past PyTorch's dispatcher, whose way through Python costs
        more than a kernel takes for a small structure; `torch.compile`, export and fake tensors see the operator.
    """
    library.impl(name, function, "CompositeExplicitAutograd")
    torch.library.register_fake(f"potentials::{name}", fake, lib=library)
    torch.library.register_autograd(f"potentials::{name}", backward, setup_context=save, lib=library)
    operator = getattr(torch.ops.potentials, name)

    def forward(ctx: Any, *arguments: Any) -> Any:
        output = function(*arguments)
        save(ctx, arguments, output)
        return output

    direct: Any = type(
        name, (torch.autograd.Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    )

    def call(*arguments: Any) -> Any:
        tensors = [argument for argument in arguments if isinstance(argument, Tensor)]
        if _is_traced(tensors):
            return operator(*arguments)
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
            return direct.apply(*arguments)
        return function(*arguments)

    return call


def _is_traced(tensors: list[Tensor]) -> bool:
    if torch.compiler.is_compiling() or torch._C._len_torch_dispatch_stack():
        return True
    return any(type(tensor) not in (Tensor, torch.nn.Parameter) for tensor in tensors)


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


def apart(tensor: Tensor) -> Tensor:
    """The same numbers as another variable, to differentiate with respect to it alone: what else depends on the tensor
    does not depend on this one, while this one depends on the tensor."""
    return tensor.view_as(tensor) if tensor.requires_grad else tensor.detach().requires_grad_()
