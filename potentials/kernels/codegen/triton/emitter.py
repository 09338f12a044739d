"""An emitter of Triton kernels: lines of text, and numbers with + and * that stand for variables."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager


class Term:
    """A variable of the kernel: a scalar, or one value per channel of the program."""

    def __init__(self, source: Source, name: str) -> None:
        self.source = source
        self.name = name

    def __add__(self, other: Term) -> Term:
        return self.source.define(f"{self.name} + {other.name}")

    def __mul__(self, other: Term | float) -> Term:
        factor = other.name if isinstance(other, Term) else repr(float(other))
        return self.source.define(f"{self.name} * {factor}")


class Source:
    """The source text of one kernel."""

    def __init__(self, name: str, parameters: list[str], constants: list[str]) -> None:
        self.name = name
        self.parameters = parameters
        self.constants = constants
        self._lines: list[str] = []
        self._depth = 1
        self._numbers = itertools.count()

    def line(self, text: str) -> None:
        """Add a line."""
        self._lines.append("    " * self._depth + text)

    def define(self, expression: str) -> Term:
        """Define a new variable."""
        name = f"x{next(self._numbers)}"
        self.line(f"{name} = {expression}")
        return Term(self, name)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Open an indented block: a loop or a condition."""
        self.line(head)
        self._depth += 1
        yield
        self._depth -= 1

    def text(self) -> str:
        """Return the source of the function."""
        arguments = ", ".join([*self.parameters, *(f"{name}: tl.constexpr" for name in self.constants)])
        return "\n".join(["@triton.jit", f"def {self.name}({arguments}):", *self._lines, ""])
