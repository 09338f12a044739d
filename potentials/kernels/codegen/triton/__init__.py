"""GPU kernels as source text compiled by Triton: an emitter of lines, a loader of functions, and device support."""
