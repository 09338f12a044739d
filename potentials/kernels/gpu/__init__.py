"""Kernels for GPUs, written for Triton from the same tables and formulas as those for CPUs."""
