"""Machine code for this processor: an emitter of LLVM's intermediate representation with vector functions and matrix
products, a compiler that keeps what it has compiled, and PyTorch's threads to run it on."""
