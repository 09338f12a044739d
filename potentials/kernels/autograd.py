"""Registration of operators and functions shared by their derivatives.

`torch.func` and forward-mode differentiation cannot use the derivatives that a kernel computes. There, each operator is
evaluated as a composition of differentiable PyTorch functions (`composed.py`, or the reference if it is
differentiable), which PyTorch can differentiate to any order.
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
    """Register the implementation, the output shapes and the derivative of a defined operator.

    Args:
        library: library in which the operator is defined.
        name: name of the operator.
        function: implementation for all devices.
        composed: the same function as a composition of PyTorch functions, for `torch.func` and forward mode.
        fake, save, backward: functions with the signatures that `torch.library` requires.

    Returns:
        A function that calls the operator. Unless it is being traced it bypasses PyTorch's dispatcher, whose overhead
        in Python exceeds the run time of a kernel for a small structure; `torch.compile`, export and fake tensors use
        the operator. Results have the precision of the arguments, also within `torch.autocast`.
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
    """Restrict a backward function to a single gradient per output."""

    def run(ctx: Any, *gradients: Tensor | None) -> Any:
        if any(g is not None and torch._C._functorch.is_legacy_batchedtensor(g) for g in gradients):
            raise OperatorError(
                f"{name}: expected one gradient, got a batch of them (`is_grads_batched` or `vectorize=True`); use "
                "torch.func.vmap, jacrev, jacfwd or hessian"
            )
        return backward(ctx, *gradients)

    return run


def vjp(function: Callable[..., Any], *arguments: Tensor) -> tuple[Any, Callable[..., Any]]:
    """Call `torch.func.vjp` for a function without auxiliary output."""
    return torch.func.vjp(function, *arguments)  # type: ignore[return-value]


def pulled_back(
    function: Callable[..., Any], arguments: Sequence[Any], wanted: Sequence[int], gradients: Sequence[Tensor | None]
) -> list[Tensor | None]:
    """Compute gradients of a composition of PyTorch functions; they can be differentiated again.

    Args:
        function: function of all arguments, which returns one or more tensors.
        arguments: point at which the derivatives are taken.
        wanted: positions of the arguments whose gradients are computed.
        gradients: gradient with respect to each result; None means zero.

    Returns:
        One gradient per argument, None for arguments not in `wanted`.
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
    """Return the backward function of an operator that cannot be differentiated.

    Raises:
        OperatorError: (when differentiated) with this message.
    """

    def backward(ctx: Any, *gradients: Any) -> Any:
        raise OperatorError(message)

    return backward


def _is_traced(tensors: list[Tensor]) -> bool:
    if torch.compiler.is_compiling() or torch._C._len_torch_dispatch_stack():
        return True
    return any(type(tensor) not in (Tensor, torch.nn.Parameter) for tensor in tensors)


def is_wanted(ctx: Any, position: int) -> bool:
    """Return whether the current backward pass needs the gradient with respect to an input of an operator.

    `ctx.needs_input_grad` only tells whether the gradient may ever be needed. The force pass needs derivatives with
    respect to edge vectors only, and the loss those with respect to parameters only; all others can be skipped.
    """
    if not ctx.needs_input_grad[position]:
        return False
    node = ctx.next_functions[position][0]
    if node is None:
        return True
    try:
        return torch._C._will_engine_execute_node(node)
    except RuntimeError:
        # The engine raises for a leaf whose gradient was requested from `torch.autograd.grad`.
        return True


def apart(tensor: Tensor) -> Tensor:
    """Return an alias of a tensor, to differentiate with respect to the alias alone.

    The alias depends on the tensor, but nothing else that was computed from the tensor depends on the alias.
    """
    return tensor.view_as(tensor) if tensor.requires_grad else tensor.detach().requires_grad_()
