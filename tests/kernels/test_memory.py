"""Memory that is used again is never memory that somebody still holds."""

from __future__ import annotations

import threading

import torch

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
