"""An emitter of kernels: numbers, vectors, memory and loops on top of LLVM's builder.

A kernel is a function `void(arguments)` on a block of 64-bit words: the index of the next row to process, the number of
rows, the number of rows that a worker takes at a time, and the kernel's own parameters (addresses and integers).
Workers run the same function in parallel until no row is left. Rows are independent of each other, so results do not
depend on the number of workers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from llvmlite import ir

from potentials.kernels.codegen.llvm.compiler import FUNCTION_NAME, register_bits

INT64 = ir.IntType(64)
POINTER = ir.PointerType()
HEADER = 3
"""Words before the parameters: next row, number of rows, rows taken at a time."""

# Multiplication and addition may be fused, but no operation is reordered.
_FUSED = ("contract",)


class Number:
    """A real number, a vector of real numbers or an integer in a register, with + and *; scalars are broadcast."""

    def __init__(self, emitter: Emitter, value: ir.Value) -> None:
        self.emitter = emitter
        self.value = value

    @property
    def width(self) -> int | None:
        """Number of lanes of a vector, None for a scalar."""
        return self.value.type.count if isinstance(self.value.type, ir.VectorType) else None

    def _operands(self, other: Number | int | float) -> tuple[ir.Value, ir.Value]:
        if not isinstance(other, Number):
            other = self.emitter.constant(other, self)
        if self.width == other.width:
            return self.value, other.value
        if self.width is None:
            return self.emitter.spread(self, other.width).value, other.value
        return self.value, self.emitter.spread(other, self.width).value

    def _is_whole(self) -> bool:
        return isinstance(self.value.type, ir.IntType)

    def __add__(self, other: Number | int | float) -> Number:
        left, right = self._operands(other)
        builder = self.emitter.builder
        result = builder.add(left, right) if self._is_whole() else builder.fadd(left, right, flags=_FUSED)
        return Number(self.emitter, result)

    def __sub__(self, other: Number) -> Number:
        left, right = self._operands(other)
        builder = self.emitter.builder
        result = builder.sub(left, right) if self._is_whole() else builder.fsub(left, right, flags=_FUSED)
        return Number(self.emitter, result)

    def __mul__(self, other: Number | int | float) -> Number:
        left, right = self._operands(other)
        builder = self.emitter.builder
        result = builder.mul(left, right) if self._is_whole() else builder.fmul(left, right, flags=_FUSED)
        return Number(self.emitter, result)


class Variable:
    """A stack slot, which LLVM promotes to a register."""

    def __init__(self, emitter: Emitter, width: int | None, initial: Number | None = None) -> None:
        self.emitter = emitter
        self.type = emitter.type_of(width)
        with emitter.builder.goto_entry_block():
            self.place = emitter.builder.alloca(self.type)
        self.set(Number(emitter, ir.Constant(self.type, _zeros(width))) if initial is None else initial)

    def get(self) -> Number:
        """Return the current value."""
        return Number(self.emitter, self.emitter.builder.load(self.place, typ=self.type))

    def set(self, number: Number) -> None:
        """Set the value."""
        self.emitter.builder.store(number.value, self.place)

    def add(self, number: Number | None) -> None:
        """Add to the value; None stands for zero."""
        if number is not None:
            self.set(self.get() + number)


def _opaque(address: ir.Value) -> ir.Value:
    """Cast to an opaque pointer: llvmlite types its addresses, but vectors are stored in arrays of numbers."""
    address.type = POINTER
    return address


def _zeros(width: int | None) -> float | list[float]:
    return 0.0 if width is None else [0.0] * width


class Emitter:
    """One kernel under construction.

    Args:
        parameters: names of the kernel's own parameters, in order.
        bits: 32 or 64, size of the floating-point numbers.
    """

    def __init__(self, parameters: Sequence[str], bits: int) -> None:
        self.real = ir.FloatType() if bits == 32 else ir.DoubleType()
        self.bytes = bits // 8
        self.register_lanes = register_bits() // bits
        self.function = ir.Function(ir.Module(), ir.FunctionType(ir.VoidType(), [POINTER]), FUNCTION_NAME)
        self.builder = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.words = self.function.args[0]
        self.parameters = {parameter: HEADER + position for position, parameter in enumerate(parameters)}
        self._tables = 0

    def type_of(self, width: int | None) -> ir.Type:
        """Return the type of a scalar (None) or of a vector."""
        return self.real if width is None else ir.VectorType(self.real, width)

    def constant(self, value: int | float, like: Number) -> Number:
        """Return a constant of the type of another number."""
        kind = like.value.type
        if isinstance(kind, ir.VectorType):
            return Number(self, ir.Constant(kind, [float(value)] * kind.count))
        return Number(self, ir.Constant(kind, int(value) if isinstance(kind, ir.IntType) else float(value)))

    def whole(self, value: int) -> Number:
        """Return an integer constant."""
        return Number(self, ir.Constant(INT64, value))

    def scalar(self, value: float) -> Number:
        """Return a scalar constant."""
        return Number(self, ir.Constant(self.real, value))

    def constant_vector(self, value: float, width: int) -> Number:
        """Return a vector with the same constant in all lanes."""
        return Number(self, ir.Constant(self.type_of(width), [value] * width))

    def zero(self, width: int | None) -> Number:
        """Return zero or a vector of zeros."""
        return Number(self, ir.Constant(self.type_of(width), _zeros(width)))

    def spread(self, number: Number, width: int | None) -> Number:
        """Broadcast a number to all lanes of a vector."""
        if width is None or number.width is not None:
            raise TypeError(f"cannot broadcast a number of width {number.width} to {width} lanes")
        if isinstance(number.value, ir.Constant):
            return Number(self, ir.Constant(self.type_of(width), [number.value.constant] * width))
        undefined = ir.Constant(self.type_of(width), ir.Undefined)
        first = self.builder.insert_element(undefined, number.value, ir.Constant(ir.IntType(32), 0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
        return Number(self, self.builder.shuffle_vector(first, undefined, mask))

    def address(self, name: str) -> ir.Value:
        """Return a parameter that is an address."""
        return self.builder.load(self._word(self.parameters[name]), typ=POINTER)

    def integer(self, name: str) -> Number:
        """Return a parameter that is an integer."""
        return Number(self, self.builder.load(self._word(self.parameters[name]), typ=INT64))

    def _word(self, position: int) -> ir.Value:
        return self.builder.gep(self.words, [ir.Constant(INT64, position)], source_etype=INT64)

    def load_integer(self, base: ir.Value, index: Number) -> Number:
        """Load base[index] from an array of 64-bit integers."""
        place = self.builder.gep(base, [index.value], source_etype=INT64)
        return Number(self, self.builder.load(place, typ=INT64))

    def load(self, base: ir.Value, index: Number, width: int | None = None) -> Number:
        """Load base[index], or the vector that starts there."""
        place = self.builder.gep(base, [index.value], source_etype=self.real)
        return Number(self, self.builder.load(place, align=self.bytes, typ=self.type_of(width)))

    def store(self, number: Number, base: ir.Value, index: Number) -> None:
        """Write a number or vector at base[index]."""
        place = self.builder.gep(base, [index.value], source_etype=self.real)
        self.builder.store(number.value, place, align=self.bytes)

    def stack(self, size: int) -> ir.Value:
        """Allocate memory for `size` numbers on the stack."""
        with self.builder.goto_entry_block():
            place = self.builder.alloca(self.real, size)
            place.align = 64
        return _opaque(place)

    def table(self, values: np.ndarray) -> ir.Value:
        """Return an array of constants stored with the code."""
        kind = ir.ArrayType(self.real, values.size)
        constants = ir.GlobalVariable(self.function.module, kind, f"table{self._tables}")
        self._tables += 1
        constants.initializer = ir.Constant(kind, [float(value) for value in values.ravel()])
        constants.global_constant = True
        constants.linkage = "internal"
        constants.align = 64
        return _opaque(constants)

    def is_equal(self, left: Number, right: Number) -> ir.Value:
        """Return whether two integers are equal."""
        return self.builder.icmp_signed("==", left.value, right.value)

    def is_between(self, number: Number, low: Number, high: Number) -> ir.Value:
        """Return whether low <= number < high for real numbers; false for NaN."""
        above = self.builder.fcmp_ordered(">=", number.value, low.value)
        return self.builder.and_(above, self.builder.fcmp_ordered("<", number.value, high.value))

    def is_smaller(self, left: Number, right: Number) -> ir.Value:
        """Return whether left < right for real numbers or vectors; false for NaN."""
        return self.builder.fcmp_ordered("<", left.value, right.value)

    def as_whole(self, number: Number) -> Number:
        """Truncate a real number to an integer."""
        return Number(self, self.builder.fptosi(number.value, INT64))

    def as_real(self, number: Number) -> Number:
        """Convert an integer to a real number."""
        return Number(self, self.builder.sitofp(number.value, self.real))

    def select(self, condition: ir.Value, yes: Number, no: Number) -> Number:
        """Select one of two numbers by a condition."""
        return Number(self, self.builder.select(condition, yes.value, no.value))

    def smaller(self, left: Number, right: Number) -> Number:
        """Return the smaller of two integers."""
        return self.select(self.builder.icmp_signed("<", left.value, right.value), left, right)

    def quotient(self, number: Number, divisor: int) -> tuple[Number, Number]:
        """Divide integers; return quotient and remainder."""
        by = ir.Constant(INT64, divisor)
        return (
            Number(self, self.builder.udiv(number.value, by)),
            Number(self, self.builder.urem(number.value, by)),
        )

    def total(self, vector: Number) -> Number:
        """Sum over the lanes by adding halves, in the same order on every machine."""
        width = vector.width
        if width is None:
            return vector
        while width > 1 and width % 2 == 0:
            half = width // 2
            parts = [
                self.builder.shuffle_vector(
                    vector.value,
                    ir.Constant(vector.value.type, ir.Undefined),
                    ir.Constant(ir.VectorType(ir.IntType(32), half), list(range(start, start + half))),
                )
                for start in (0, half)
            ]
            vector = Number(self, parts[0]) + Number(self, parts[1])
            width = half
        lanes = [
            Number(self, self.builder.extract_element(vector.value, ir.Constant(ir.IntType(32), lane)))
            for lane in range(width)
        ]
        result = lanes[0]
        for lane in lanes[1:]:
            result = result + lane
        return result

    @contextmanager
    def loop(self, start: Number, stop: Number, step: int = 1) -> Iterator[Number]:
        """Write the loop for (i = start; i < stop; i += step)."""
        builder = self.builder
        before = builder.block
        head, body, after = (builder.append_basic_block(part) for part in ("head", "body", "after"))
        builder.branch(head)
        builder.position_at_end(head)
        index = builder.phi(INT64)
        index.add_incoming(start.value, before)
        builder.cbranch(builder.icmp_signed("<", index, stop.value), body, after)
        builder.position_at_end(body)
        yield Number(self, index)
        index.add_incoming(builder.add(index, ir.Constant(INT64, step)), builder.block)
        builder.branch(head)
        builder.position_at_end(after)

    @contextmanager
    def rows(self) -> Iterator[Number]:
        """Write the loop over all rows that this worker takes, and end the function."""
        builder = self.builder
        rows, taken = (builder.load(self._word(position), typ=INT64) for position in (1, 2))
        take, work, done = (builder.append_basic_block(part) for part in ("take", "work", "done"))
        builder.branch(take)
        builder.position_at_end(take)
        first = builder.atomic_rmw("add", self.words, taken, "monotonic")
        builder.cbranch(builder.icmp_signed("<", first, rows), work, done)
        builder.position_at_end(work)
        last = self.smaller(Number(self, builder.add(first, taken)), Number(self, rows))
        with self.loop(Number(self, first), last) as row:
            yield row
        builder.branch(take)
        builder.position_at_end(done)
        builder.ret_void()

    def channel_blocks(self, channels: int, lanes: int) -> Iterator[tuple[Number, int]]:
        """Yield first channel and width of each block of channels.

        The body is written once for the full blocks, which are a loop, and once for the remainder.
        """
        rest = channels % lanes
        if channels > rest:
            with self.loop(self.whole(0), self.whole(channels - rest), lanes) as channel:
                yield channel, lanes
        if rest:
            yield self.whole(channels - rest), rest
