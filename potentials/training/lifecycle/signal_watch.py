"""Signals that come while the main thread is somewhere in foreign code that does not return."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from potentials.exit_codes import interruption_code

_PATIENCE = 10.0
"""Seconds that the main thread has to answer."""

# What a forked process does with its signals is none of this process' business.
os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))


@contextmanager
def watching(
    numbers: Collection[signal.Signals], answered: threading.Event, may_wait: Callable[[], bool]
) -> Iterator[None]:
    """End the process when one of these signals comes and the main thread does not answer.

    Python calls a handler when the main thread is back in Python, which it is not while it waits for the processes of
    other nodes, say. The system's part of signal handling writes the number into a socket at once, from which a thread
    reads it here.

    Args:
        numbers: the signals; the caller has handlers for them.
        answered: is set by the handlers.
        may_wait: whether it is in order that the handlers are not called at once, as in the middle of a step.
    """
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    earlier = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    thread = threading.Thread(target=_watch, args=(receiver, numbers, answered, may_wait), daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(earlier)
        # Not by closing alone: forked processes that are still there hold the same socket.
        sender.shutdown(socket.SHUT_RDWR)
        sender.close()
        thread.join()
        receiver.close()


def _watch(
    receiver: socket.socket,
    numbers: Collection[signal.Signals],
    answered: threading.Event,
    may_wait: Callable[[], bool],
) -> None:
    while received := receiver.recv(1):
        number = received[0]
        if number in numbers and not may_wait() and not answered.wait(_PATIENCE):
            os._exit(interruption_code(signal.Signals(number)))
