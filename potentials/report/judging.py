"""Numbers as text, and marks that hold them against limits stated beside them."""

from __future__ import annotations

from potentials.pages import Mark


def number(value: float, digits: int = 3) -> str:
    """With so many significant digits; without an exponent between 1e-3 and 1e5."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        text = f"{value:.{digits}g}"
        return f"{float(text):g}" if "e" in text else text
    return f"{value:.{digits - 1}e}"


def mark(value: float, good: float, bad: float, text: str = "") -> Mark:
    """Good up to the first limit, bad beyond the second (or if it is not finite), worth a look between."""
    if not value <= bad:
        return Mark("bad", text or number(value))
    return Mark("good" if value <= good else "look", text or number(value))
