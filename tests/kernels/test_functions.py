"""Functions of emitted code: over the whole range of numbers, at infinity, and of what is not a number."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from llvmlite import ir
from torch import Tensor

from potentials.kernels.codegen.llvm import functions
from potentials.kernels.codegen.llvm.compiler import compiled
from potentials.kernels.codegen.llvm.emitter import Emitter, Number
from potentials.kernels.codegen.llvm.threads import bits_of, run_rows

LANES = 4
FUNCTIONS: dict[str, Callable[[Number], Number]] = {
    "exponential": functions.exponential,
    "sigmoid": functions.sigmoid,
    "hyperbolic_tangent": functions.hyperbolic_tangent,
    "square_root": functions.square_root,
    "quotient": lambda x: functions.quotient(x.emitter.constant(1.0, x), x),
    **{f"silu {n}": (lambda x, n=n: functions.silu(x)[n]) for n in range(3)},
    **{f"tanh {n}": (lambda x, n=n: functions.tanh(x)[n]) for n in range(3)},
}
EXACT: dict[str, Callable[[Tensor], Tensor]] = {
    "exponential": torch.exp,
    "sigmoid": torch.sigmoid,
    "hyperbolic_tangent": torch.tanh,
    "square_root": torch.sqrt,
    "quotient": torch.reciprocal,
    "silu 0": lambda x: x * torch.sigmoid(x),
    "tanh 0": torch.tanh,
}


def emit(name: str, width: int | None, bits: int) -> ir.Function:
    """out[row] = f(values[row]), as numbers or as vectors."""
    emitter = Emitter(("values", "out"), bits)
    values, out = emitter.address("values"), emitter.address("out")
    with emitter.rows() as row:
        place = row * (width or 1)
        emitter.store(FUNCTIONS[name](emitter.load(values, place, width)), out, place)
    return emitter.function


@cache
def code(name: str, width: int | None, bits: int) -> int:
    return compiled(emit, name, width, bits)


def computed(name: str, x: Tensor, width: int | None) -> Tensor:
    out = torch.full_like(x, -12345.0)
    run_rows(code(name, width, bits_of(x)), x.numel() // (width or 1), [x.data_ptr(), out.data_ptr()])
    return out


@pytest.mark.parametrize("width", [None, LANES])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_not_a_number_stays_that(name: str, dtype: torch.dtype, width: int | None) -> None:
    """In its lane, and in no other."""
    x = torch.tensor([0.5, torch.nan, 1.0, 2.0, torch.nan, 0.1, 0.2, -torch.nan], dtype=dtype)
    assert torch.equal(computed(name, x, width).isnan(), x.isnan())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", EXACT)
def test_infinities_and_the_ends_of_the_range(name: str, dtype: torch.dtype) -> None:
    """As PyTorch's own functions, which are those of the reference."""
    info = torch.finfo(dtype)
    sizes = [0.0, info.tiny, 1e-3, 0.59, 0.61, 10.0, 88.0, 100.0, 700.0, 720.0, 1e10, 0.99 * info.max, torch.inf]
    x = torch.tensor([*sizes, *(-size for size in sizes)], dtype=dtype)
    found, expected = computed(name, x, None), EXACT[name](x)
    # A number below the smallest normal one may be zero.
    torch.testing.assert_close(found, expected, rtol=16 * info.eps, atol=4 * info.tiny, equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_exponential_to_the_last_bits(dtype: torch.dtype) -> None:
    info = torch.finfo(dtype)
    x = torch.linspace(float(np.log(info.tiny)), float(np.log(info.max)) - 1e-5, 20001, dtype=dtype)
    error = (computed("exponential", x, None) / torch.exp(x) - 1).abs().max()
    assert float(error) < 4 * info.eps
