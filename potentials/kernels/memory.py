"""Memory that is used again: large results of one step are written where those of the step before were.

Fresh memory costs more than the arithmetic that fills it: the operating system clears each page at its first use, and
takes large blocks back as soon as they are free. A potential that is called again and again keeps its blocks.
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

    A block is handed out again once no tensor is left that lies in it, so a result stays valid for as long as somebody
    holds it. Several threads may take memory from one workspace at the same time.
    """

    def __init__(self) -> None:
        self._blocks: list[Tensor] = []
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[Workspace], tuple[()]]:
        """A copy, also in another process, has blocks of its own."""
        return Workspace, ()

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return sum(block.numel() for block in self._blocks)

    def new(self, like: Tensor, shape: Sequence[int]) -> Tensor:
        """A tensor of this shape, of the type of another one, with any content."""
        size = math.prod(shape) * like.element_size()
        if size < _SMALLEST or like.device.type != "cpu":
            return like.new_empty(shape)
        # The view makes the block count as used: until it is there, no other thread may look for a free one.
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
    """Whether the block itself is all that holds its memory."""
    storage = block.untyped_storage()
    return torch._C._storage_Use_Count(storage._cdata) <= _OWN_USES


def _own_uses() -> int:
    """How often memory counts as used that one tensor holds, while somebody asks."""
    block = torch.empty(1, dtype=torch.uint8)
    return int(torch._C._storage_Use_Count(block.untyped_storage()._cdata))


_OWN_USES = _own_uses()


class _Active(threading.local):
    workspace: Workspace | None = None


_ACTIVE = _Active()


@contextmanager
def use_workspace(workspace: Workspace | None) -> Iterator[None]:
    """Have kernels take memory from a workspace, in this thread, while the context lasts."""
    earlier = _ACTIVE.workspace
    _ACTIVE.workspace = workspace
    try:
        yield
    finally:
        _ACTIVE.workspace = earlier


def allocate(like: Tensor, *shape: int) -> Tensor:
    """Room for a result, of the type of another tensor."""
    if _ACTIVE.workspace is None:
        return like.new_empty(shape)
    return _ACTIVE.workspace.new(like, shape)
