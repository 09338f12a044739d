"""Settings of PyTorch's OpenMP library: how long idle threads spin before they sleep, and its state after a fork.

With GCC's library, which PyTorch ships on Linux, an idle thread spins for some 300 000 rounds, which takes
milliseconds. When other processes use the same cores, a spinning thread delays the thread it waits for: a step of 64
atoms that takes 8 ms alone takes hundreds of ms. Our limit is longer than most gaps between two kernels of a step, so
that little is lost on an idle machine, where sleeping at once would make such a step a third slower.

The library reads its settings once, when it is loaded. They are set when this package is imported, before PyTorch.

A forked process has none of its parent's threads, and the library would wait for them forever.
"""

from __future__ import annotations

import os
import sys

VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""Settings of the user; if any of them is set, nothing is changed."""
SPIN_COUNT = "7000"
"""Rounds of spinning, a tenth of a millisecond; then threads sleep until the next kernel."""

_DEFAULT = "OpenMP default"
_SET_HERE = f"GOMP_SPINCOUNT={SPIN_COUNT} (set by potentials)"
_state = {"waiting": _DEFAULT}


def bound_waiting() -> None:
    """Limit the spinning of idle threads, unless one of `VARIABLES` is set or PyTorch is already loaded."""
    given = [f"{name}={os.environ[name]}" for name in VARIABLES if name in os.environ]
    if given:
        _state["waiting"] = " ".join(given)
    elif "torch" in sys.modules:
        _state["waiting"] = f"{_DEFAULT} (torch was imported before potentials)"
    elif sys.platform == "linux":
        os.environ["GOMP_SPINCOUNT"] = SPIN_COUNT
        _state["waiting"] = _SET_HERE


def release_environment() -> None:
    """Remove our setting from the environment once PyTorch is loaded, so that programs started from this process do not
    inherit it."""
    if _state["waiting"] == _SET_HERE and os.environ.get("GOMP_SPINCOUNT") == SPIN_COUNT:
        del os.environ["GOMP_SPINCOUNT"]


def waiting() -> str:
    """Describe how long idle threads spin."""
    return _state["waiting"]


def _use_one_thread() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() > 1:
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_use_one_thread)
