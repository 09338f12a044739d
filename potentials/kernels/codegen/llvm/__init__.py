"""Machine code for this CPU: an emitter of LLVM's intermediate representation with vector functions and matrix
products, a compiler with a cache on disk, and execution on PyTorch's threads."""
