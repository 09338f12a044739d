"""PyTorch's OpenMP library: how long its threads wait for work at full speed before they sleep, and what a fork does.

GCC's library, which PyTorch brings on Linux, lets a thread wait some 300 000 rounds, milliseconds. Where other
processes want the processors, a thread that waits keeps the one from running that it waits for: a step of 64 atoms that
takes 8 ms alone takes hundreds. Our bound is longer than most of what a step does between two kernels, so that a quiet
machine loses little; to sleep at once costs a third of such a step there.

The library reads its settings once, when it is loaded, so they are made when this package is imported, before PyTorch.

A forked process has none of the threads that its parent had, and the library waits for them for ever.
"""

from __future__ import annotations

import os
import sys

VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""The user's own settings; any of them is left alone."""
SPIN_COUNT = "7000"
"""Rounds of waiting at full speed, a tenth of a millisecond; then threads sleep, and are woken for the next kernel."""

_state = {"waiting": "the OpenMP library's own"}


def bound_waiting() -> None:
    """Have threads wait a short time only, unless the user has set one of `VARIABLES`, or PyTorch is there already."""
    given = [f"{name}={os.environ[name]}" for name in VARIABLES if name in os.environ]
    if given:
        _state["waiting"] = " ".join(given)
    elif "torch" in sys.modules:
        _state["waiting"] = "the OpenMP library's own, because torch was imported before potentials"
    elif sys.platform == "linux":
        os.environ["GOMP_SPINCOUNT"] = SPIN_COUNT
        _state["waiting"] = f"GOMP_SPINCOUNT={SPIN_COUNT}, ours"


def release_environment() -> None:
    """Take our setting out of the environment, once PyTorch is loaded: it is not meant for other programs that are
    started from this process."""
    if _state["waiting"].endswith(", ours") and os.environ.get("GOMP_SPINCOUNT") == SPIN_COUNT:
        del os.environ["GOMP_SPINCOUNT"]


def waiting() -> str:
    """How long threads wait, in words."""
    return _state["waiting"]


def _use_one_thread() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() > 1:
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_use_one_thread)
