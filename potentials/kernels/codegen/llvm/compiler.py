"""Compilation of LLVM's intermediate representation to machine code for this CPU, cached on disk."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable
from functools import cache

import llvmlite
import llvmlite.binding as llvm
from llvmlite import ir

from potentials.cache import keep, kept
from potentials.kernels.codegen.code_cache import cache_folder, source_digest

logger = logging.getLogger("potentials.kernels")

_LOCK = threading.Lock()
_ENGINES: list[llvm.ExecutionEngine] = []  # code lives as long as its engine


@cache
def _target() -> llvm.TargetMachine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3
    )


@cache
def register_bits() -> int:
    """Return the width of a vector register of this CPU in bits."""
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return 512
    return 256 if features.get("avx") else 128


def processor() -> str:
    """Return the name of the CPU and its vector width as text."""
    return f"{llvm.get_host_cpu_name()} ({register_bits()}-bit vectors)"


@cache
def _origin() -> bytes:
    """Return a hash of all that determines the code besides the kernel's description: CPU, compiler and emitters."""
    digest = hashlib.sha256()
    for part in (llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten(), llvmlite.__version__):
        digest.update(part.encode())
    digest.update(source_digest())
    return digest.digest()


def compiled(emit: Callable[..., ir.Function], *arguments: object) -> int:
    """Return the address of the code of a kernel, which stays valid for the lifetime of the process.

    The cache key consists of the emitter's name and the `repr` of its arguments, which must therefore be complete.

    Args:
        emit: function that writes the kernel, called if it is not in the cache.
        arguments: arguments of `emit`.
    """
    # Emitters of different operators have the same names in modules of the same names: only the full path is unique.
    description = f"{emit.__module__}.{emit.__qualname__}({', '.join(map(repr, arguments))})"
    with _LOCK:
        folder = cache_folder()
        name = hashlib.sha256(_origin() + description.encode()).hexdigest()
        path = None if folder is None else folder / f"{name[:40]}.o"
        code = None if path is None else kept(path)
        if code is None:
            logger.info("compiling kernels for this processor: %s", description)
            code = _compile(emit(*arguments))
            if path is not None:
                keep(path, code)
        return _load(code)


def _compile(function: ir.Function) -> bytes:
    target = _target()
    module = llvm.parse_assembly(str(function.module))
    module.verify()
    # Loops are vectorized by hand, so only scalar optimizations are enabled.
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = False
    options.slp_vectorization = False
    options.loop_unrolling = False
    builder = llvm.create_pass_builder(target, options)
    builder.getModulePassManager().run(module, builder)
    return target.emit_object(module)


def _load(code: bytes) -> int:
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _ENGINES.append(engine)
    return engine.get_function_address(FUNCTION_NAME)


FUNCTION_NAME = "potentials_kernel"
"""Name of the function of every kernel; each kernel is compiled in a module of its own."""
