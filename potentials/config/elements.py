"""Chemical symbols in a configuration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

from ase.data import chemical_symbols
from pydantic import AfterValidator, Field, WithJsonSchema

from potentials.config.messages.descriptions import Description, quote, suggestion

_SYMBOLS = tuple(chemical_symbols[1:])  # without ASE's "X" for a ghost


def check_symbol(symbol: str) -> str:
    """Return `symbol` if it is a chemical element; otherwise raise `ValueError` and suggest a similar one."""
    if symbol not in _SYMBOLS:
        raise ValueError(f"{quote(symbol)} is not the symbol of a chemical element{suggestion(symbol, _SYMBOLS)}")
    return symbol


def check_distinct(symbols: list[str]) -> list[str]:
    """Return `symbols` if there are no duplicates; raise `ValueError` otherwise."""
    repeated = sorted(symbol for symbol, count in Counter(symbols).items() if count > 1)
    if repeated:
        raise ValueError(f"elements given more than once: {', '.join(repeated)}")
    return symbols


def missing_symbols(needed: Sequence[str], given: dict[str, float]) -> str:
    """List the elements of `needed` without a value in `given`, as `Cu, Zn`; empty if there are none."""
    return ", ".join(symbol for symbol in needed if symbol not in given)


ElementSymbol = Annotated[
    str,
    AfterValidator(check_symbol),
    Description("an element symbol", "element symbols"),
    WithJsonSchema({"type": "string", "pattern": "^[A-Z][a-z]?$"}),
]
Elements = Annotated[list[ElementSymbol], Field(min_length=1), AfterValidator(check_distinct)]
