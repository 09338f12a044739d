"""Tables that say which components couple with which coefficient: all that the kernels know of group theory."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

Table: TypeAlias = "MessageTable | ManyBodyTable | HarmonicsTable"
_TABLES: dict[str, Table] = {}


@dataclass(frozen=True, eq=False, repr=False)
class _Table:
    """What tables share: a key that stands for all they hold, in every process."""

    key: str

    def __repr__(self) -> str:
        return self.key

    def __reduce__(self) -> Any:
        """Copies and unpickled tables are the registered one: operators find tables by their keys, also in a process
        that has not made this one."""
        return _registered, (type(self), *(getattr(self, field.name) for field in fields(self)))


def _registered(kind: type[_Table], key: str, *content: Any) -> Table:
    found = _TABLES.get(key)
    return _TABLES.setdefault(key, kind(key, *content)) if found is None else found  # type: ignore[arg-type]


def lookup(key: str) -> Table:
    """The table of this key. Operators carry keys, because a `torch.library` operator takes no Python objects."""
    return _TABLES[key]


def _content_key(kind: str, *arrays: np.ndarray) -> str:
    digest = hashlib.sha256(kind.encode())
    for array in arrays:
        digest.update(str(array.shape).encode())
        # Rounded, so that the last bit of a library's square root does not make another table.
        rounded = np.round(array, 12) + 0.0 if array.dtype.kind == "f" else array.astype(np.int64)
        digest.update(np.ascontiguousarray(rounded).tobytes())
    return f"{kind}-{digest.hexdigest()[:16]}"


@dataclass(frozen=True, eq=False)
class MessagePath:
    """One coupling of a sender block with a harmonic block into a receiver block.

    `coefficients[a, b, d]` couples sender component `sender_start + a`, harmonic component `harmonic_start + b` and
    receiver component `receiver_start + d * receiver_step`.
    """

    sender_start: int
    harmonic_start: int
    receiver_start: int
    receiver_step: int
    coefficients: np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class MessageTable(_Table):
    """Terms of Q(h, Y, w, g) = sum_e sum_t C_t h[src_e, a_t, c] Y[e, b_t] w[e, p_t, c] g[dst_e, d_t, c].

    The terms t are grouped by path p: each path is one dense block of coefficients, mostly zeros. Each receiver
    component belongs to exactly one path, so that kernels write messages path by path.
    """

    sender_components: int
    harmonic_components: int
    receiver_components: int
    paths: tuple[MessagePath, ...]

    @classmethod
    def create(
        cls,
        sender_components: int,
        harmonic_components: int,
        receiver_components: int,
        paths: Sequence[MessagePath],
    ) -> MessageTable:
        """Make and register a table; equal content gives the same key in every process.

        Raises:
            ValueError: a receiver component belongs to no path, or to several.
        """
        reached = [p.receiver_start + p.receiver_step * d for p in paths for d in range(p.coefficients.shape[2])]
        if sorted(reached) != list(range(receiver_components)):
            raise ValueError(
                f"each of the {receiver_components} receiver components must be in one path, got {reached}"
            )
        sizes = np.array([sender_components, harmonic_components, receiver_components])
        parts: list[np.ndarray] = [sizes]
        for path in paths:
            starts = [path.sender_start, path.harmonic_start, path.receiver_start, path.receiver_step]
            parts += [np.array(starts), path.coefficients]
        key = _content_key("message", *parts)
        table = cls(key, sender_components, harmonic_components, receiver_components, tuple(paths))
        return _TABLES.setdefault(key, table)  # type: ignore[return-value]

    def terms(self) -> tuple[np.ndarray, np.ndarray]:
        """The non-zero terms: indices [T, 4] (path, sender, harmonic, receiver component) and coefficients [T]."""
        indices, coefficients = [], []
        for number, path in enumerate(self.paths):
            for a, b, d in np.argwhere(np.abs(path.coefficients) > 1e-12):
                component = path.receiver_start + d * path.receiver_step
                indices.append((number, path.sender_start + a, path.harmonic_start + b, component))
                coefficients.append(path.coefficients[a, b, d])
        return np.array(indices, dtype=np.int64).reshape(-1, 4), np.array(coefficients)


@dataclass(frozen=True, eq=False, repr=False)
class ManyBodyTable(_Table):
    """Terms of B[n, M, c] = sum_t [M_t = M] coefficients[z_n, t, c] prod_q A[n, factors[t, q], c].

    A factor equal to `components` stands for the constant one, so that monomials of all degrees share one form.
    Terms are sorted by output.
    """

    components: int
    outputs: int
    factors: np.ndarray
    """[T, correlation] int64."""
    output_of_term: np.ndarray
    """[T] int64, ascending."""

    @classmethod
    def create(cls, components: int, outputs: int, factors: np.ndarray, output_of_term: np.ndarray) -> ManyBodyTable:
        """Make and register a table; equal content gives the same key in every process."""
        key = _content_key("many-body", np.array([components, outputs]), factors, output_of_term)
        table = cls(key, components, outputs, factors, output_of_term)
        return _TABLES.setdefault(key, table)  # type: ignore[return-value]

    @property
    def num_terms(self) -> int:
        """Number of monomials, counted once per output they contribute to."""
        return self.factors.shape[0]


@dataclass(frozen=True, eq=False, repr=False)
class HarmonicsTable(_Table):
    """Coefficients of Y_l = sum_ab raising[l - 2][a, b, :] Y_{l-1,a} Y_{1,b} for l = 2 to `degree`."""

    degree: int
    raising: tuple[np.ndarray, ...]

    @property
    def components(self) -> int:
        """Of all degrees together."""
        return (self.degree + 1) ** 2

    @classmethod
    def create(cls, degree: int, raising: Sequence[np.ndarray]) -> HarmonicsTable:
        """Make and register a table; equal content gives the same key in every process."""
        table = cls(_content_key("harmonics", np.array([degree]), *raising), degree, tuple(raising))
        return _TABLES.setdefault(table.key, table)  # type: ignore[return-value]


class GatedBlock(NamedTuple):
    """One block of features: an even or odd scalar, or components that share a gate."""

    start: int
    components: int
    is_scalar: bool
    is_even: bool


class GateTable(NamedTuple):
    """Blocks that follow each other, and the factors of the activations; numbers only, as operators take them."""

    blocks: tuple[GatedBlock, ...]
    even_factor: float
    """Of silu, for even scalars and gates."""
    odd_factor: float
    """Of tanh, for odd scalars."""

    @property
    def components(self) -> int:
        """D."""
        return sum(block.components for block in self.blocks)

    @property
    def gates(self) -> int:
        """G."""
        return sum(not block.is_scalar for block in self.blocks)

    def numbers(self) -> tuple[list[int], float, float]:
        """For an operator."""
        return [int(number) for block in self.blocks for number in block], self.even_factor, self.odd_factor

    @classmethod
    def from_numbers(cls, numbers: Sequence[int], even_factor: float, odd_factor: float) -> GateTable:
        """The inverse of `numbers`."""
        rows = [numbers[start : start + 4] for start in range(0, len(numbers), 4)]
        blocks = tuple(GatedBlock(start, size, bool(scalar), bool(even)) for start, size, scalar, even in rows)
        return cls(blocks, even_factor, odd_factor)


class MixedBlock(NamedTuple):
    """One block: where it lies in the input and in the output.

    The input holds [components, copies] rows of channels from `source` on, the output `components` rows from `target`.
    """

    source: int
    components: int
    copies: int
    target: int


class MixingTable(NamedTuple):
    """Which blocks are mapped; numbers only, as operators take them."""

    blocks: tuple[MixedBlock, ...]
    inputs: int
    """Components of the input."""
    outputs: int
    """Components of the output; those in no block are zero."""
    channels_in: int
    channels_out: int

    @property
    def num_weights(self) -> int:
        """K."""
        return sum(block.copies for block in self.blocks) * self.channels_in * self.channels_out

    def numbers(self) -> list[int]:
        """For an operator."""
        sizes = [self.inputs, self.outputs, self.channels_in, self.channels_out]
        return sizes + [number for block in self.blocks for number in block]

    @classmethod
    def from_numbers(cls, numbers: Sequence[int]) -> MixingTable:
        """The inverse of `numbers`."""
        inputs, outputs, channels_in, channels_out = numbers[:4]
        rest = numbers[4:]
        blocks = tuple(MixedBlock(*rest[start : start + 4]) for start in range(0, len(rest), 4))
        return cls(blocks, inputs, outputs, channels_in, channels_out)

    def matrices(self, weight: Tensor) -> list[Tensor]:
        """The matrix of each block, views [..., copies * C, C'] of the weights [..., K]."""
        sizes = [block.copies * self.channels_in for block in self.blocks]
        parts = weight.split([size * self.channels_out for size in sizes], dim=-1)
        return [part.unflatten(-1, (size, self.channels_out)) for part, size in zip(parts, sizes, strict=True)]


def perceptron_matrices(weight: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    """The matrices [F_k, F_{k+1}] of a perceptron's layers, views of its weight [K]."""
    shapes = list(itertools.pairwise(sizes))
    parts = weight.split([rows * columns for rows, columns in shapes])
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]


class RadialSplines(NamedTuple):
    """Functions of the distance as quintic polynomials in evenly spaced intervals; the first and the last one go on.

    f(r) = sum_k c_k t^k with t = (r - start) / step - interval. Unlike combinations of values and derivatives at the
    knots, these lose no digits of the slope to the difference of two values.
    """

    coefficients: Tensor
    """[K, 6, F]: c_0 to c_5 of each interval."""
    start: float
    """Where the first interval begins, A."""
    step: float
    """Width of an interval, A."""

    @classmethod
    def from_knots(cls, knots: Tensor, start: float, step: float) -> RadialSplines:
        """The splines that have given values and derivatives at the ends of the intervals.

        Args:
            knots: [K + 1, 3, F]: value, first derivative times the step, second derivative times the step squared.
            start: distance of the first knot, A.
            step: spacing, A.
        """
        value, slope, bend = knots[:-1].unbind(1)
        next_value, next_slope, next_bend = knots[1:].unbind(1)
        rise = next_value - value
        coefficients = [
            value,
            slope,
            0.5 * bend,
            10 * rise - 6 * slope - 4 * next_slope - 1.5 * bend + 0.5 * next_bend,
            -15 * rise + 8 * slope + 7 * next_slope + 1.5 * bend - next_bend,
            6 * rise - 3 * slope - 3 * next_slope - 0.5 * bend + 0.5 * next_bend,
        ]
        return cls(torch.stack(coefficients, dim=1), start, step)
