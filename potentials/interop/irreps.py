"""Irreps as e3nn writes them, such as `128x0e+64x1o`."""

from __future__ import annotations

import re
from typing import Any

from potentials.equivariant import Irrep
from potentials.errors import ConversionError


def parse_irreps(text: Any) -> list[tuple[int, Irrep]]:
    """Return number of channels and irrep of each part.

    Raises:
        ConversionError: the text has another form.
    """
    found = []
    for part in str(text).replace(" ", "").split("+"):
        match = re.fullmatch(r"(?:(\d{1,6})x)?(\d{1,2})([eo])", part)
        if match is None or not isinstance(text, str):
            raise ConversionError(f"expected irreps such as 128x0e+64x1o, got {text!r}")
        found.append((int(match[1] or 1), Irrep(int(match[2]), 1 if match[3] == "e" else -1)))
    return found
