"""Reuse of memory: large results of one step are written into the memory of earlier results.

Allocating memory can take longer than computing the results: the operating system clears each page at first use and
reclaims large blocks as soon as they are freed. A potential that is called repeatedly therefore keeps its blocks.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

_SMALLEST = 2**20
_SLACK = 1.125


class Workspace:
    """Blocks of memory for results of at least 1 MiB.

    A block is reused once no tensor refers to it, so a result stays valid as long as it is referenced. Workspaces are
    thread-safe.
    """

    def __init__(self) -> None:
        self._blocks: list[Tensor] = []
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[Workspace], tuple[()]]:
        """Copy or pickle as an empty workspace; copies have their own blocks."""
        return Workspace, ()

    @property
    def size(self) -> int:
        """Size of all blocks in bytes."""
        return sum(block.numel() for block in self._blocks)

    def new(self, like: Tensor, shape: Sequence[int]) -> Tensor:
        """Return an uninitialized tensor of this shape and of the dtype of another tensor."""
        size = math.prod(shape) * like.element_size()
        if size < _SMALLEST or like.device.type != "cpu":
            return like.new_empty(shape)
        # The view marks the block as used: until it exists, no other thread may search for a free block.
        with self._lock:
            fitting = [block for block in self._blocks if size <= block.numel() <= 2 * size and _is_free(block)]
            if fitting:
                block = min(fitting, key=Tensor.numel)
            else:
                # The number of edges changes a little from step to step.
                block = torch.empty(int(size * _SLACK), dtype=torch.uint8, device="cpu")
                self._blocks = [kept for kept in self._blocks if not _is_free(kept) or kept.numel() >= size]
                self._blocks.append(block)
            return block[:size].view(like.dtype).view(shape)


def _is_free(block: Tensor) -> bool:
    """Return whether only the block itself refers to its memory."""
    storage = block.untyped_storage()
    return torch._C._storage_Use_Count(storage._cdata) <= _OWN_USES


def _own_uses() -> int:
    """Return the use count, while it is queried, of memory that a single tensor refers to."""
    block = torch.empty(1, dtype=torch.uint8)
    return int(torch._C._storage_Use_Count(block.untyped_storage()._cdata))


_OWN_USES = _own_uses()


class _Active(threading.local):
    workspace: Workspace | None = None


_ACTIVE = _Active()


@contextmanager
def use_workspace(workspace: Workspace | None) -> Iterator[None]:
    """Let kernels called in this thread take memory from a workspace within the context."""
    earlier = _ACTIVE.workspace
    _ACTIVE.workspace = workspace
    try:
        yield
    finally:
        _ACTIVE.workspace = earlier


def allocate(like: Tensor, *shape: int) -> Tensor:
    """Allocate memory for a result of the dtype of another tensor."""
    if _ACTIVE.workspace is None:
        return like.new_empty(shape)
    return _ACTIVE.workspace.new(like, shape)
