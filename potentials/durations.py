"""Formatting of durations. Separate from the schema that parses them, so that the command line need not import it."""

from __future__ import annotations

from datetime import timedelta


def format_duration(value: timedelta) -> str:
    """Format a duration: `timedelta(minutes=90)` is `1h 30m`.

    The inverse of `config.base.parse_duration`, exact to the microsecond.
    """
    hours, seconds = divmod(value.seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    decimals = f".{value.microseconds:06d}".rstrip("0").rstrip(".")
    parts = [f"{whole}{unit}" for whole, unit in ((value.days, "d"), (hours, "h"), (minutes, "m")) if whole]
    if seconds or decimals or not parts:
        parts.append(f"{seconds}{decimals}s")
    return " ".join(parts)
