"""Writing code for kernels: dual numbers, in which formulas give their derivatives too, and the folder that keeps code.

What writes and compiles code for processors stands in `llvm`, for GPUs in `triton`; neither knows any operator.
"""
