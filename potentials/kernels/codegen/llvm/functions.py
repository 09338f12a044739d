"""Functions of numbers in registers: quotient, square root, exponential function, activations."""

from __future__ import annotations

import math

from llvmlite import ir

from potentials.kernels.codegen.llvm.emitter import Emitter, Number

# ln 2 as a sum: the first term has few digits, so that its products with integers are exact.
_LN2_HIGH = {32: 0.693359375, 64: 0.693145751953125}
_LN2_LOW = {32: -2.12194440054690583e-4, 64: 1.42860682030941723212e-6}
_RANGE = {32: (-105.0, 89.5), 64: (-746.0, 710.5)}
"""Beyond these bounds exp is zero or infinity."""
_TERMS = {32: 7, 64: 13}
"""Terms of the series of exp on [-ln 2 / 2, ln 2 / 2]; the truncation error is below the last bit."""


def quotient(numerator: Number, denominator: Number) -> Number:
    """Compute numerator / denominator; both have the same width."""
    emitter = numerator.emitter
    return Number(emitter, emitter.builder.fdiv(numerator.value, denominator.value))


def multiply_add(left: Number, right: Number, addend: Number) -> Number:
    """Compute left * right + addend, rounded once if the CPU supports it."""
    return _intrinsic("fmuladd", left, right, addend)


def square_root(number: Number) -> Number:
    """Compute sqrt(number)."""
    return _intrinsic("sqrt", number)


def exponential(number: Number) -> Number:
    """Compute exp(number); 0 or infinity if the result is out of range, NaN for NaN."""
    emitter = number.emitter
    low, high = (emitter.constant(end, number) for end in _RANGE[emitter.bytes * 8])
    # Comparisons with NaN are false, so NaN is kept.
    inside = emitter.select(emitter.is_smaller(high, number), high, number)
    inside = emitter.select(emitter.is_smaller(inside, low), low, inside)
    power = _intrinsic("rint", inside * (1 / math.log(2)))
    bits = emitter.bytes * 8
    rest = inside - power * _LN2_HIGH[bits] - power * _LN2_LOW[bits]
    total = emitter.constant(1 / math.factorial(_TERMS[bits]), number)
    for term in range(_TERMS[bits] - 1, -1, -1):
        total = total * rest + 1 / math.factorial(term)
    # NaN cannot be converted to an integer; the sum contains it already. 2^power is applied as two factors, because it
    # may be out of range when the product is not.
    is_number = emitter.builder.fcmp_ordered("ord", power.value, power.value)
    power = emitter.select(is_number, power, emitter.constant(0.0, power))
    half = _intrinsic("rint", power * 0.5)
    return total * _power_of_two(half) * _power_of_two(power - half)


def sigmoid(number: Number) -> Number:
    """Compute 1 / (1 + exp(-number))."""
    one = number.emitter.constant(1.0, number)
    return quotient(one, one + exponential(number * -1.0))


def _power_of_two(power: Number) -> Number:
    """Compute 2^power of integral real numbers by setting the exponent bits."""
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
    """Call an LLVM intrinsic."""
    emitter: Emitter = numbers[0].emitter
    kind = numbers[0].value.type
    element = "f32" if emitter.bytes == 4 else "f64"
    full_name = f"llvm.{name}.{element if numbers[0].width is None else f'v{numbers[0].width}{element}'}"
    function = emitter.function.module.globals.get(full_name)
    if function is None:
        function = ir.Function(emitter.function.module, ir.FunctionType(kind, [kind] * len(numbers)), full_name)
    return Number(emitter, emitter.builder.call(function, [number.value for number in numbers]))


def hyperbolic_tangent(number: Number) -> Number:
    """Compute tanh(number) with full relative precision, also near zero."""
    emitter = number.emitter
    square = number * number
    above, below = _tanh_fraction(_FRACTION_LEVELS[emitter.bytes * 8])
    near = quotient(number * _polynomial(below, square), _polynomial(above, square))
    one = emitter.constant(1.0, number)
    far = one - quotient(emitter.constant(2.0, number), one + exponential(number * 2.0))
    is_near = emitter.builder.fcmp_ordered("<", square.value, emitter.constant(_NEAR**2, number).value)
    return emitter.select(is_near, near, far)


def silu(z: Number) -> tuple[Number, Number, Number]:
    """Compute silu(z) = z s(z), s the sigmoid function, and its first and second derivatives."""
    emitter = z.emitter
    one = emitter.constant(1.0, z)
    s = sigmoid(z)
    value = z * s
    rest = one - s
    first = s + value * rest
    second = s * rest * (emitter.constant(2.0, z) + z * (one - s * 2.0))
    return value, first, second


def tanh(z: Number) -> tuple[Number, Number, Number]:
    """Compute tanh(z) and its first and second derivatives."""
    value = hyperbolic_tangent(z)
    first = z.emitter.constant(1.0, z) - value * value
    return value, first, value * first * -2.0


_NEAR = 0.6
_FRACTION_LEVELS = {32: 5, 64: 9}
"""Levels of Lambert's continued fraction of tanh up to 0.6; the truncation error is below the last bit."""


def _tanh_fraction(levels: int) -> tuple[list[float], list[float]]:
    """Compute the coefficients of a and b in tanh(x) = x / (1 + y / (3 + y / (5 + ...))) = x b(y) / a(y), y = x^2."""
    above, below = [float(2 * levels - 1)], [1.0]
    for level in range(levels - 1, 0, -1):
        shifted = [0.0, *below]
        scaled = [(2 * level - 1) * coefficient for coefficient in above]
        size = max(len(shifted), len(scaled))
        padded = [part + [0.0] * (size - len(part)) for part in (scaled, shifted)]
        above, below = [a + b for a, b in zip(*padded, strict=True)], above
    return above, below


def _polynomial(coefficients: list[float], y: Number) -> Number:
    """Evaluate a polynomial by Horner's rule; the coefficients start with the constant."""
    total = y.emitter.constant(coefficients[-1], y)
    for coefficient in reversed(coefficients[:-1]):
        total = total * y + coefficient
    return total
