"""Memory that is used again is never memory that somebody still holds."""

from __future__ import annotations

import contextlib
import copy
import pickle
import sys
import threading
import time

import pytest
import torch

from potentials.kernels import memory
from potentials.kernels.memory import Workspace, allocate, use_workspace

LIKE = torch.zeros(1)
LARGE = 2**20


def test_small_results_and_no_workspace_are_ordinary() -> None:
    workspace = Workspace()
    with use_workspace(workspace):
        assert allocate(LIKE, 3, 4).shape == (3, 4)
    assert allocate(LIKE, LARGE).shape == (LARGE,)
    assert workspace.size == 0


def test_a_block_is_used_again_when_nobody_holds_it() -> None:
    workspace = Workspace()
    with use_workspace(workspace):
        first = allocate(LIKE, LARGE, 1)
        address, size = first.data_ptr(), workspace.size
        view = first[10:20]
        del first
        second = allocate(LIKE, 1, LARGE)
        assert second.data_ptr() != address
        assert workspace.size == 2 * size
        del view
        third = allocate(LIKE, LARGE - 7)
        assert third.data_ptr() == address
        assert workspace.size == 2 * size


def test_what_autograd_holds_is_not_given_away() -> None:
    workspace = Workspace()
    x = torch.ones(LARGE, requires_grad=True)
    with use_workspace(workspace):
        saved = allocate(LIKE, LARGE).fill_(2.0)
        product = x * saved
        del saved
        other = allocate(LIKE, LARGE).fill_(-1.0)
    product.sum().backward()
    assert torch.equal(x.grad, torch.full_like(x, 2.0))
    assert other[0] == -1.0


def test_precision_is_that_of_the_other_tensor() -> None:
    with use_workspace(Workspace()):
        assert allocate(LIKE.double(), LARGE).dtype == torch.float64
        assert allocate(LIKE, LARGE).dtype == torch.float32


def test_blocks_that_are_too_small_are_given_up() -> None:
    workspace = Workspace()
    with use_workspace(workspace):
        for size in (LARGE, 4 * LARGE, 16 * LARGE):
            allocate(LIKE, size)
    assert workspace.size < 1.2 * 4 * 16 * LARGE


def test_other_threads_have_other_workspaces() -> None:
    workspace = Workspace()
    with use_workspace(workspace):
        thread = threading.Thread(target=allocate, args=(LIKE, LARGE))
        thread.start()
        thread.join()
    assert workspace.size == 0


def test_threads_that_share_a_workspace_never_get_one_block() -> None:
    """Each thread writes its number over all of its memory and finds it there."""
    workspace = Workspace()
    wrong: list[int] = []
    interval = sys.getswitchinterval()

    def work(number: int) -> None:
        with use_workspace(workspace):
            for _ in range(150):
                block = allocate(LIKE, LARGE // 4)
                block.fill_(number)
                time.sleep(0)
                wrong.append(int((block != number).sum()))

    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert len(wrong) == 600
    assert not any(wrong)


def test_no_thread_looks_for_a_block_while_another_one_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The race itself: a thread that has found a free block waits while another one asks for memory."""
    workspace = Workspace()
    with use_workspace(workspace):
        allocate(LIKE, LARGE)  # free again at once
    found: list[torch.Tensor] = []
    waiting = threading.Barrier(2)
    original = memory._is_free

    def slow(block: torch.Tensor) -> bool:
        answer = original(block)
        with contextlib.suppress(threading.BrokenBarrierError):
            waiting.wait(timeout=0.3)
        return answer

    def work() -> None:
        with use_workspace(workspace):
            found.append(allocate(LIKE, LARGE))

    monkeypatch.setattr(memory, "_is_free", slow)
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0].data_ptr() != found[1].data_ptr()


def test_another_default_device_does_not_matter() -> None:
    with use_workspace(Workspace()), torch.device("meta"):
        assert allocate(LIKE, LARGE).device.type == "cpu"


def test_copies_have_blocks_of_their_own() -> None:
    workspace = Workspace()
    with use_workspace(workspace):
        held = allocate(LIKE, LARGE)
    assert held.numel()
    for other in (copy.copy(workspace), copy.deepcopy(workspace), pickle.loads(pickle.dumps(workspace))):
        assert other.size == 0
        with use_workspace(other):
            assert allocate(LIKE, LARGE).data_ptr() != held.data_ptr()
