"""The kernels for CPUs: a table becomes LLVM code, a row of work one atom or edge pair, a lane of a vector one channel."""
