"""Initialization of PyTorch's vectorized functions by a single thread.

oneMKL, which computes these functions for PyTorch on CPUs, selects its code at the first call of each function. If two
threads make that call at the same time, one of them may use code of low accuracy (errors of 1e-4;
https://github.com/pytorch/pytorch/issues/188792, in releases of oneMKL before 2025). Results then differ between runs
of the same program.
"""

from __future__ import annotations

import torch

_FUNCTIONS = (
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "sigmoid", "sqrt", "rsqrt"),
    *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "erf", "erfc", "erfinv", "lgamma"),
)


def settle_vector_functions() -> None:
    """Call every function once, in both precisions, on one number."""
    for dtype in (torch.float32, torch.float64):
        number = torch.full((1,), 0.5, dtype=dtype, device="cpu")
        for name in _FUNCTIONS:
            getattr(torch, name)(number)
