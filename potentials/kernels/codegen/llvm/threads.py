"""Running a kernel on PyTorch's own threads.

PyTorch's OpenMP library is asked to run the kernel in its team, so there is one pool of threads in the process, and
`torch.set_num_threads` (and OMP_NUM_THREADS, and the single thread of a data worker) is obeyed. Where that library
cannot be found, Python threads do the same work; compiled code does not hold the interpreter's lock.
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
"""Multiplications below which waking other threads takes longer than the work, some ten microseconds."""


@cache
def _openmp() -> Any | None:
    """PyTorch's OpenMP library, or None. GCC's entry point is also understood by LLVM's and Intel's."""
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
    """Made anew in a forked process: threads do not survive a fork."""
    return ThreadPoolExecutor(workers, thread_name_prefix="potentials-kernels")


def threading_layer() -> str:
    """What runs the kernels, in words."""
    return "PyTorch's OpenMP threads" if _openmp() is not None else "Python threads"


def bits_of(tensor: Tensor) -> int:
    """Size of a tensor's numbers."""
    return tensor.element_size() * 8


def run_rows(address: int, rows: int, words: Sequence[int], work: int = _WORTH_A_TEAM) -> None:
    """Run the kernel at an address over all rows, on `torch.get_num_threads()` threads.

    Args:
        address: of the compiled function.
        rows: how many there are.
        words: the kernel's own parameters: addresses and whole numbers.
        work: about how many multiplications there are; a little work is done by the calling thread alone.
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
