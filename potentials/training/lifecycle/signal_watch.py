"""Handling of signals while the main thread is blocked in code outside Python."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from potentials.exit_codes import interruption_code

_PATIENCE = 10.0
"""Seconds to wait for the main thread to handle a signal."""

# A forked process must not write its signals to the socket of this process.
os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))


@contextmanager
def watching(
    numbers: Collection[signal.Signals], answered: threading.Event, may_wait: Callable[[], bool]
) -> Iterator[None]:
    """End the process if one of these signals arrives and the main thread does not handle it.

    Python calls a handler only when the main thread executes Python code, which it does not while it waits for
    processes on other nodes, for example. The low-level signal handler writes the signal number to a socket at once,
    from which a thread reads it here.

    Args:
        numbers: the signals; the caller has installed handlers for them.
        answered: event that the handlers set.
        may_wait: whether the handlers may be delayed at present, for example within a step.
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
        # Closing is not enough: forked processes that still run hold the same socket.
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
