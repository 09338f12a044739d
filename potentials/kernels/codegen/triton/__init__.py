"""Kernels for GPUs as text that Triton compiles: an emitter of lines, a loader of functions, and where they can run."""
