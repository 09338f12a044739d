"""Code for the scalar product of rows."""

from __future__ import annotations

from llvmlite import ir

from potentials.kernels.codegen.llvm.emitter import Emitter, Variable

PARAMETERS = ("left", "right", "out")


def emit_row_dot(size: int, bits: int) -> ir.Function:
    """Write out_n = sum_f left_nf right_nf for rows of `size` numbers."""
    emitter = Emitter(PARAMETERS, bits)
    left, right, out = (emitter.address(name) for name in PARAMETERS)
    lanes = 4 * emitter.register_lanes
    with emitter.rows() as row:
        sums = {width: Variable(emitter, width) for width in {lanes, size % lanes} if width and size >= width}
        for place, width in emitter.channel_blocks(size, lanes):
            first, second = (emitter.load(address, row * size + place, width) for address in (left, right))
            sums[width].add(first * second)
        total = emitter.zero(None)
        for part in sums.values():
            total = total + emitter.total(part.get())
        emitter.store(total, out, row)
    return emitter.function
