"""Bounds on what one example may take: seconds and bytes. What exceeds them is a failure, not a refusal."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

SECONDS = 5.0
BYTES = 2 * 2**30


class TooLongError(BaseException):
    """An example took too long. Not an `Exception`, so that nothing takes it for one of its own."""


@contextmanager
def limited(seconds: float = SECONDS, size: int = BYTES) -> Iterator[None]:
    """Stop what takes more processor time (wherever Python runs) or so much more memory than the process has."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TooLongError(f"took more than {seconds:g} s of processor time")

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGPROF, stop)
    resource.setrlimit(resource.RLIMIT_AS, (_virtual_memory() + size, hard))
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGPROF, handler)


def check_one_line(text: str) -> None:
    """What a program made needs no list of mistakes."""
    assert "\n" not in text, f"more than a line: {text}"


def _virtual_memory() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def check_message(text: str, most: int = 20_000) -> None:
    """What a person is told must be there, be of bearable length, and be printable on any terminal."""
    assert text.strip(), "an error without a message"
    assert len(text) <= most, f"a message of {len(text)} characters: {text[:200]}"
    assert "Traceback" not in text
    text.encode("utf-8")
