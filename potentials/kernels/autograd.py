"""What the operators' derivatives share.

`torch.func` and forward mode cannot ask a kernel for its derivatives. Where they run, compositions of PyTorch's
differentiable functions do the work (`composed.py` of each operator, or its reference where that is one), and PyTorch
differentiates them, to any order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from potentials.errors import OperatorError
from potentials.kernels.transforms import is_autocast, is_transformed
from potentials.torch_state import own_precision


def register_operator(
    library: torch.library.Library,
    name: str,
    function: Callable[..., Any],
    composed: Callable[..., Any],
    fake: Callable[..., Any],
    save: Callable[..., None],
    backward: Callable[..., Any],
) -> Callable[..., Any]:
    """Give a defined operator its implementation for all devices, its shapes and its derivative.

    Args:
        library: where it is defined.
        name: of the operator.
        function: what computes it.
        composed: the same as a composition of PyTorch's functions, for `torch.func` and forward mode.
        fake, save, backward: as `torch.library` wants them.

    Returns:
        What calls it. Where nothing is being traced it goes past PyTorch's dispatcher, whose way through Python costs
        more than a kernel takes for a small structure; `torch.compile`, export and fake tensors see the operator.
        Results are of the precision of the arguments, also within `torch.autocast`.
    """
    function, composed = _in_own_precision(function), _in_own_precision(composed)
    backward = _in_own_precision(_of_one_gradient(name, backward))
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
        if is_transformed():
            return composed(*arguments)
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
            return direct.apply(*arguments)
        return function(*arguments)

    return call


def _in_own_precision(step: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arguments: Any) -> Any:
        if not is_autocast():
            return step(*arguments)
        with own_precision():
            return step(*arguments)

    return run


def _of_one_gradient(name: str, backward: Callable[..., Any]) -> Callable[..., Any]:
    """The backward step, which takes gradients one at a time."""

    def run(ctx: Any, *gradients: Tensor | None) -> Any:
        if any(g is not None and torch._C._functorch.is_legacy_batchedtensor(g) for g in gradients):
            raise OperatorError(
                f"{name}: expected one gradient, got a batch of them (`is_grads_batched` or `vectorize=True`); use "
                "torch.func.vmap, jacrev, jacfwd or hessian"
            )
        return backward(ctx, *gradients)

    return run


def vjp(function: Callable[..., Any], *arguments: Tensor) -> tuple[Any, Callable[..., Any]]:
    """`torch.func.vjp`, of a function without further results."""
    return torch.func.vjp(function, *arguments)  # type: ignore[return-value]


def pulled_back(
    function: Callable[..., Any], arguments: Sequence[Any], wanted: Sequence[int], gradients: Sequence[Tensor | None]
) -> list[Tensor | None]:
    """Gradients of a composition of PyTorch's functions, which can be differentiated again.

    Args:
        function: of all the arguments, to a tensor or several.
        arguments: where the derivatives are taken.
        wanted: positions of the arguments whose gradients are wanted.
        gradients: of each result; None is zero.

    Returns:
        One for each argument, None for those that are not wanted.
    """
    results: list[Tensor | None] = [None] * len(arguments)
    if not wanted:
        return results

    def of_wanted(*given: Tensor) -> Any:
        changed = list(arguments)
        for position, tensor in zip(wanted, given, strict=True):
            changed[position] = tensor
        return function(*changed)

    outputs, back = vjp(of_wanted, *(arguments[position] for position in wanted))
    if isinstance(outputs, Tensor):
        (given,) = gradients
        found = back(torch.zeros_like(outputs) if given is None else given)
    else:
        pairs = zip(outputs, gradients, strict=True)
        found = back(tuple(torch.zeros_like(output) if given is None else given for output, given in pairs))
    for position, tensor in zip(wanted, found, strict=True):
        results[position] = tensor
    return results


def refuse_derivative(message: str) -> Callable[..., Any]:
    """The backward step of an operator that has none.

    Raises:
        OperatorError: (on differentiating) with this message.
    """

    def backward(ctx: Any, *gradients: Any) -> Any:
        raise OperatorError(message)

    return backward


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
