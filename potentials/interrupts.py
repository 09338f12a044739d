"""Interrupts that take precedence over errors of libraries.

A signal handler raises an exception at an arbitrary place in the program, which may be inside a library that handles
all exceptions of its own code: safetensors converts it to a file error, other libraries ignore it. Handlers therefore
record the interrupt they raise. Until the interrupt is handled, an error of this package that is about to be raised is
replaced by the interrupt, and so is any exception that leaves the `with` block that handles it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_received: BaseException | None = None


def remembered(interrupt: BaseException) -> BaseException:
    """Record an interrupt that a handler is about to raise, and return it."""
    global _received
    _received = interrupt
    return interrupt


def raise_received() -> None:
    """Raise the recorded interrupt that has not been handled, if there is one; in the main thread only."""
    if _received is not None and threading.current_thread() is threading.main_thread():
        raise _received


@contextmanager
def winning_interrupts() -> Iterator[None]:
    """Raise an interrupt recorded within the context when the context ends, in place of any other exception."""
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
    """Raise `KeyboardInterrupt` on Ctrl-C as usual, and record it (see above).

    Has an effect only in the main thread and if no other handler is installed for the signal.
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
