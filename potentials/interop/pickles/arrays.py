"""Arrays and numbers of NumPy in a file."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from potentials.errors import ConversionError
from potentials.interop.pickles.records import Record

_ARRAYS = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")
_NUMBERS = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
_KINDS = "biuf"
"""Booleans, integers and floating-point numbers."""


def array_of(value: Any) -> NDArray[Any]:
    """Return the array that a record or a list of numbers stands for.

    Raises:
        ConversionError: it is neither, or the array is not one of numbers, or damaged.
    """
    if isinstance(value, bool | int | float | list | tuple):
        try:
            plain = np.array(value)
        except (TypeError, ValueError) as error:
            raise ConversionError(f"expected numbers, got {str(value)[:60]}") from error
        if plain.dtype.kind not in _KINDS:
            raise ConversionError(f"expected numbers, got {str(value)[:60]}")
        return plain.astype(np.float64)
    name = type(value).class_name if isinstance(value, Record) else type(value).__name__
    if isinstance(value, Record) and name in _NUMBERS and len(value.arguments) == 2:
        return _numbers(value.arguments[0], value.arguments[1], (), False)
    match value.state if isinstance(value, Record) and name in _ARRAYS else None:
        case (int(), tuple() as shape, dtype, bool() as is_fortran, bytes() as content):
            return _numbers(dtype, content, shape, is_fortran)
    raise ConversionError(f"expected an array of numbers, got an object of the class {name}")


def _numbers(dtype: Any, content: Any, shape: tuple[Any, ...], is_fortran: bool) -> NDArray[Any]:
    code = dtype.arguments[0] if isinstance(dtype, Record) and dtype.arguments else None
    order = dtype.state[1] if isinstance(dtype, Record) and isinstance(dtype.state, tuple) else "<"
    if not isinstance(code, str) or code[:1] not in _KINDS or not code[1:].isdigit() or order not in ("<", "|", "="):
        raise ConversionError(f"array: expected little-endian numbers, got the type {code!r}")
    try:
        kind = np.dtype(code).newbyteorder("<")
        if not isinstance(content, bytes) or len(content) != math.prod(shape) * kind.itemsize:
            raise ConversionError(f"array: expected {shape} numbers of {kind.itemsize} bytes, got {len(content)} bytes")
        return np.frombuffer(content, kind).reshape(shape, order="F" if is_fortran else "C").copy()
    except (TypeError, ValueError, OverflowError) as error:
        raise ConversionError(f"array: {error}") from error
