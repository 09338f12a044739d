"""Gates against their formula, their derivatives against finite differences, and across implementations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from potentials.kernels import GatedBlock, GateTable, gate
from potentials.kernels.dispatch import use_kernels

TABLES = {
    "all kinds": GateTable(
        (
            GatedBlock(0, 1, True, True),
            GatedBlock(1, 1, True, False),
            GatedBlock(2, 3, False, True),
            GatedBlock(5, 3, False, False),
            GatedBlock(8, 5, False, True),
        ),
        1.7,
        1.6,
    ),
    "copies": GateTable(
        (
            GatedBlock(0, 1, True, True, 3),
            GatedBlock(3, 1, True, False, 2),
            GatedBlock(5, 3, False, True, 2),
            GatedBlock(11, 5, False, True),
        ),
        1.7,
        1.6,
    ),
    "a scalar": GateTable((GatedBlock(0, 1, True, True),), 1.5, 1.0),
    "degree 1 alone": GateTable((GatedBlock(0, 3, False, True),), 1.0, 1.0),
}


def inputs(name: str, channels: int = 5, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    table = TABLES[name]
    return tuple(2 * torch.randn(4, size, channels, dtype=dtype) for size in (table.components, table.gates))


def expected(table: GateTable, x: np.ndarray, gates: np.ndarray) -> np.ndarray:
    result = np.empty_like(x)
    remaining = iter(range(table.gates))
    for start, size, is_scalar, is_even, copies in table.blocks:
        for copy in range(copies):
            rows = [start + m * copies + copy for m in range(size)]
            values = x[:, rows]
            if is_scalar:
                activated = values / (1 + np.exp(-values)) if is_even else np.tanh(values)
                result[:, rows] = (table.even_factor if is_even else table.odd_factor) * activated
            else:
                one = gates[:, [next(remaining)]]
                result[:, rows] = values * table.even_factor * one / (1 + np.exp(-one))
    return result


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("channels", [1, 5, 16, 35])
def test_values(name: str, channels: int, kernels: str) -> None:
    x, gates = inputs(name, channels)
    wanted = expected(TABLES[name], x.numpy(), gates.numpy())
    np.testing.assert_allclose(gate(TABLES[name], x, gates), wanted, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", TABLES)
def test_derivatives(name: str, kernels: str) -> None:
    """First, second and, by the reference, third."""
    arguments = [tensor.requires_grad_() for tensor in inputs(name, 2)]

    def value(*given: Tensor) -> Tensor:
        return gate(TABLES[name], *given)

    def gradient(*given: Tensor) -> tuple[Tensor, ...]:
        found = torch.autograd.grad((value(*given) ** 2).sum(), given, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None and g.numel())

    assert torch.autograd.gradcheck(value, arguments)
    assert torch.autograd.gradgradcheck(value, arguments)
    assert torch.autograd.gradgradcheck(gradient, arguments, fast_mode=True)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 1e-5)])
def test_both_implementations_agree(name: str, dtype: torch.dtype, tolerance: float) -> None:
    results = []
    for kernels in ("reference", "cpu"):
        arguments = [tensor.requires_grad_() for tensor in inputs(name, 35, dtype)]
        with use_kernels(kernels):
            found = gate(TABLES[name], *arguments)
            first = torch.autograd.grad((found**2).sum(), arguments, create_graph=True)
            second = torch.autograd.grad(sum((x**2).sum() for x in first), arguments)
        results.append([x.detach() for x in (found, *first, *second) if x.numel()])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance * float(other.abs().max()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_odd_activation_is_exact_for_small_and_large_numbers(dtype: torch.dtype) -> None:
    """Relative to each number: 1 - 2 / (exp(2x) + 1) alone would lose all digits near zero."""
    table = GateTable((GatedBlock(0, 1, True, False),), 1.0, 1.0)
    x = torch.cat([10.0 ** torch.arange(-20, 3, dtype=dtype), torch.linspace(0.3, 0.9, 50, dtype=dtype)])
    x = torch.cat([x, -x])[None, None]
    with use_kernels("cpu"):
        found = gate(table, x, x[:, :0])
    torch.testing.assert_close(found.double(), torch.tanh(x.double()), rtol=8 * torch.finfo(dtype).eps, atol=0)


def test_no_atoms(kernels: str) -> None:
    x, gates = (tensor[:0].requires_grad_() for tensor in inputs("all kinds"))
    gradients = torch.autograd.grad(gate(TABLES["all kinds"], x, gates).sum(), (x, gates))
    assert [gradient.shape for gradient in gradients] == [x.shape, gates.shape]


def test_table_there_and_back() -> None:
    for table in TABLES.values():
        assert GateTable.from_numbers(*table.numbers()) == table


@pytest.mark.parametrize("operator", ["gate", "gate_gradients"])
def test_operators_are_well_formed(operator: str) -> None:
    x, gates = inputs("all kinds", 2)
    tensors = [x, gates] + ([torch.randn_like(x)] if operator == "gate_gradients" else [])
    arguments = [tensor.requires_grad_() for tensor in tensors]
    torch.library.opcheck(getattr(torch.ops.potentials, operator).default, (*arguments, *TABLES["all kinds"].numbers()))
