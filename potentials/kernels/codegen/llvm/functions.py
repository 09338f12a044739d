"""Functions of numbers in registers: quotient, square root, exponential, sigmoid."""

from __future__ import annotations

import math

from llvmlite import ir

from potentials.kernels.codegen.llvm.emitter import Emitter, Number

# ln 2 in two parts: the first has few digits, so that its products with whole numbers are exact.
_LN2_HIGH = {32: 0.693359375, 64: 0.693145751953125}
_LN2_LOW = {32: -2.12194440054690583e-4, 64: 1.42860682030941723212e-6}
_RANGE = {32: (-105.0, 89.5), 64: (-746.0, 710.5)}
"""Beyond these numbers exp is zero or infinity."""
_TERMS = {32: 7, 64: 13}
"""Of the series of exp on [-ln 2 / 2, ln 2 / 2]: what is left out is below the last bit."""


def quotient(numerator: Number, denominator: Number) -> Number:
    """numerator / denominator, of the same width."""
    emitter = numerator.emitter
    return Number(emitter, emitter.builder.fdiv(numerator.value, denominator.value))


def multiply_add(left: Number, right: Number, addend: Number) -> Number:
    """left * right + addend, rounded once where the processor can."""
    return _intrinsic("fmuladd", left, right, addend)


def square_root(number: Number) -> Number:
    """sqrt(number)"""
    return _intrinsic("sqrt", number)


def exponential(number: Number) -> Number:
    """exp(number): 0 and infinity where the result is beyond the range of numbers; what is not a number stays that."""
    emitter = number.emitter
    low, high = (emitter.constant(end, number) for end in _RANGE[emitter.bytes * 8])
    # Comparisons with what is not a number are false, which leaves it there.
    inside = emitter.select(emitter.is_smaller(high, number), high, number)
    inside = emitter.select(emitter.is_smaller(inside, low), low, inside)
    power = _intrinsic("rint", inside * (1 / math.log(2)))
    bits = emitter.bytes * 8
    rest = inside - power * _LN2_HIGH[bits] - power * _LN2_LOW[bits]
    total = emitter.constant(1 / math.factorial(_TERMS[bits]), number)
    for term in range(_TERMS[bits] - 1, -1, -1):
        total = total * rest + 1 / math.factorial(term)
    # What is not a number has no integer; it is in the sum already. And 2^power by two factors: alone it may be beyond
    # the range where the product is not.
    is_number = emitter.builder.fcmp_ordered("ord", power.value, power.value)
    power = emitter.select(is_number, power, emitter.constant(0.0, power))
    half = _intrinsic("rint", power * 0.5)
    return total * _power_of_two(half) * _power_of_two(power - half)


def sigmoid(number: Number) -> Number:
    """1 / (1 + exp(-number))"""
    one = number.emitter.constant(1.0, number)
    return quotient(one, one + exponential(number * -1.0))


def _power_of_two(power: Number) -> Number:
    """2^power of whole numbers given as real ones: they become the exponent's bits."""
    emitter = power.emitter
    mantissa, bias = (23, 127) if emitter.bytes == 4 else (52, 1023)
    whole: ir.Type = ir.IntType(emitter.bytes * 8)
    if power.width is not None:
        whole = ir.VectorType(whole, power.width)

    def constant(value: int) -> ir.Constant:
        return ir.Constant(whole, value if power.width is None else [value] * power.width)

    builder = emitter.builder
    exponent = builder.add(builder.fptosi(power.value, whole), constant(bias))
    return Number(emitter, builder.bitcast(builder.shl(exponent, constant(mantissa)), power.value.type))


def _intrinsic(name: str, *numbers: Number) -> Number:
    """One of LLVM's own functions."""
    emitter: Emitter = numbers[0].emitter
    kind = numbers[0].value.type
    element = "f32" if emitter.bytes == 4 else "f64"
    full_name = f"llvm.{name}.{element if numbers[0].width is None else f'v{numbers[0].width}{element}'}"
    function = emitter.function.module.globals.get(full_name)
    if function is None:
        function = ir.Function(emitter.function.module, ir.FunctionType(kind, [kind] * len(numbers)), full_name)
    return Number(emitter, emitter.builder.call(function, [number.value for number in numbers]))


def hyperbolic_tangent(number: Number) -> Number:
    """tanh(number), to the last bits near zero too."""
    emitter = number.emitter
    square = number * number
    above, below = _tanh_fraction(_FRACTION_LEVELS[emitter.bytes * 8])
    near = quotient(number * _polynomial(below, square), _polynomial(above, square))
    one = emitter.constant(1.0, number)
    far = one - quotient(emitter.constant(2.0, number), one + exponential(number * 2.0))
    is_near = emitter.builder.fcmp_ordered("<", square.value, emitter.constant(_NEAR**2, number).value)
    return emitter.select(is_near, near, far)


def silu(z: Number) -> tuple[Number, Number, Number]:
    """silu(z) = z s(z) with the sigmoid s, its first and its second derivative."""
    emitter = z.emitter
    one = emitter.constant(1.0, z)
    s = sigmoid(z)
    value = z * s
    rest = one - s
    first = s + value * rest
    second = s * rest * (emitter.constant(2.0, z) + z * (one - s * 2.0))
    return value, first, second


def tanh(z: Number) -> tuple[Number, Number, Number]:
    """tanh(z), its first and its second derivative."""
    value = hyperbolic_tangent(z)
    first = z.emitter.constant(1.0, z) - value * value
    return value, first, value * first * -2.0


_NEAR = 0.6
_FRACTION_LEVELS = {32: 5, 64: 9}
"""Of Lambert's continued fraction of tanh up to 0.6: what is left out is below the last bit."""


def _tanh_fraction(levels: int) -> tuple[list[float], list[float]]:
    """tanh(x) = x / (1 + y / (3 + y / (5 + ...))) with y = x^2: x b(y) / a(y); the coefficients of a and b."""
    above, below = [float(2 * levels - 1)], [1.0]
    for level in range(levels - 1, 0, -1):
        shifted = [0.0, *below]
        scaled = [(2 * level - 1) * coefficient for coefficient in above]
        size = max(len(shifted), len(scaled))
        padded = [part + [0.0] * (size - len(part)) for part in (scaled, shifted)]
        above, below = [a + b for a, b in zip(*padded, strict=True)], above
    return above, below


def _polynomial(coefficients: list[float], y: Number) -> Number:
    """By Horner's rule, the constant first among the coefficients."""
    total = y.emitter.constant(coefficients[-1], y)
    for coefficient in reversed(coefficients[:-1]):
        total = total * y + coefficient
    return total
