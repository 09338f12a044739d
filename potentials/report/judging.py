"""Formatting of numbers, and their comparison with limits."""

from __future__ import annotations

from typing import Literal

from potentials.pages import Mark


def number(value: float, digits: int = 3) -> str:
    """Format a number with N significant digits; without an exponent between 1e-3 and 1e5."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        text = f"{value:.{digits}g}"
        return f"{float(text):g}" if "e" in text else text
    return f"{value:.{digits - 1}e}"


def mark(value: float, good: float, bad: float, text: str = "") -> Mark:
    """Judge a value: good up to the first limit, bad beyond the second or if not finite, otherwise to be checked."""
    kind: Literal["good", "look", "bad"] = "look" if value <= bad else "bad"
    if kind == "look" and value <= good:
        kind = "good"
    return Mark(kind, text or number(value), value, (good, bad))
