"""Durations as text. Apart from the schema that reads them: the command line prints durations without it."""

from __future__ import annotations

from datetime import timedelta


def format_duration(value: timedelta) -> str:
    """The inverse of `config.base.parse_duration`, exact to the microsecond: `timedelta(minutes=90)` is `1h 30m`."""
    hours, seconds = divmod(value.seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    decimals = f".{value.microseconds:06d}".rstrip("0").rstrip(".")
    parts = [f"{whole}{unit}" for whole, unit in ((value.days, "d"), (hours, "h"), (minutes, "m")) if whole]
    if seconds or decimals or not parts:
        parts.append(f"{seconds}{decimals}s")
    return " ".join(parts)
