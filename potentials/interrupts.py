"""Interrupts that win over what libraries make of them.

A handler of a signal raises an exception wherever the program is, and that may be within a library that handles any
exception of its own code: safetensors turns it into an error of the file, others drop it. Handlers therefore remember
what they raise. Until the interrupt is dealt with, an error of this package that is about to be raised becomes the
interrupt, as does whatever leaves the block that deals with it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_received: BaseException | None = None


def remembered(interrupt: BaseException) -> BaseException:
    """Note that a handler is about to raise this interrupt, and give it back."""
    global _received
    _received = interrupt
    return interrupt


def raise_received() -> None:
    """Raise the interrupt that has been received and not dealt with, if there is one; in the main thread only."""
    if _received is not None and threading.current_thread() is threading.main_thread():
        raise _received


@contextmanager
def winning_interrupts() -> Iterator[None]:
    """An interrupt remembered in here leaves the block, whatever else does; then it is dealt with and forgotten."""
    global _received
    before, _received = _received, None
    try:
        yield
    finally:
        received, _received = _received, before
        if received is not None:
            raise received


@contextmanager
def remembering_ctrl_c() -> Iterator[None]:
    """Within it, Ctrl-C raises `KeyboardInterrupt` as ever, and wins (see above).

    In the main thread only, and where nobody else handles the signal.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _on_ctrl_c)
    try:
        with winning_interrupts():
            yield
    finally:
        if signal.getsignal(signal.SIGINT) is _on_ctrl_c:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _on_ctrl_c(number: int, frame: FrameType | None) -> None:
    raise remembered(KeyboardInterrupt())
