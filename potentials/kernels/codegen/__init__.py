"""Code generation for kernels: dual numbers for automatic differentiation of formulas, and the cache of compiled code.

`llvm` generates and compiles code for CPUs, `triton` for GPUs; both are independent of the operators.
"""
