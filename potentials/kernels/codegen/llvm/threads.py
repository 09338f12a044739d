"""Execution of a kernel on PyTorch's threads.

The kernel runs in the thread team of PyTorch's OpenMP library, so that the process has one thread pool, and
`torch.set_num_threads`, OMP_NUM_THREADS and the single thread of a data worker are respected. If that library cannot be
found, Python threads are used; compiled code releases the interpreter lock.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_CHUNKS_PER_THREAD = 8
_WORTH_A_TEAM = 2**18
"""Number of multiplications below which starting other threads (about 10 microseconds) takes longer than the work."""


@cache
def _openmp() -> Any | None:
    """Load PyTorch's OpenMP library; None if not found. LLVM's and Intel's libraries also have GCC's entry point."""
    folder = Path(torch.__file__).parent
    names = {"linux": "libgomp*.so*", "darwin": "libomp*.dylib"}
    found = sorted(folder.glob(f"lib/{names.get(sys.platform, 'none')}"))
    found += sorted(folder.parent.glob("torch.libs/libgomp*.so*"))
    for path in found:
        library = ctypes.CDLL(str(path))
        if hasattr(library, "GOMP_parallel"):
            library.GOMP_parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
            library.GOMP_parallel.restype = None
            return library
    return None


@cache
def _pool(process: int, workers: int) -> ThreadPoolExecutor:
    """Create a thread pool; one per process, because threads do not survive a fork."""
    return ThreadPoolExecutor(workers, thread_name_prefix="potentials-kernels")


def threading_layer() -> str:
    """Return the name of the thread pool that runs the kernels."""
    return "PyTorch's OpenMP threads" if _openmp() is not None else "Python threads"


def bits_of(tensor: Tensor) -> int:
    """Return the size of the numbers of a tensor in bits."""
    return tensor.element_size() * 8


def run_rows(address: int, rows: int, words: Sequence[int], work: int = _WORTH_A_TEAM) -> None:
    """Run a kernel over all rows on `torch.get_num_threads()` threads.

    Args:
        address: address of the compiled function.
        rows: number of rows.
        words: the kernel's own parameters: addresses and integers.
        work: approximate number of multiplications; small amounts of work run on the calling thread alone.
    """
    if rows == 0:
        return
    threads = min(torch.get_num_threads(), rows) if work >= _WORTH_A_TEAM else 1
    taken = rows if threads == 1 else max(1, rows // (threads * _CHUNKS_PER_THREAD))
    block = (ctypes.c_int64 * (3 + len(words)))(0, rows, taken, *words)
    argument = ctypes.addressof(block)
    openmp = _openmp()
    if threads == 1:
        _KERNEL(address)(argument)
    elif openmp is not None:
        openmp.GOMP_parallel(address, argument, threads, 0)
    else:
        kernel = _KERNEL(address)
        helpers = [_pool(os.getpid(), threads - 1).submit(kernel, argument) for _ in range(threads - 1)]
        kernel(argument)
        for helper in helpers:
            helper.result()
