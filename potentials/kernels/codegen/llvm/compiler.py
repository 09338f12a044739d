"""Machine code for this processor from LLVM's intermediate representation, kept on disk."""

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
    """Width of a vector register of this processor, in bits."""
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return 512
    return 256 if features.get("avx") else 128


def processor() -> str:
    """The processor and its vectors, in words."""
    return f"{llvm.get_host_cpu_name()} ({register_bits()}-bit vectors)"


@cache
def _origin() -> bytes:
    """What decides the code besides the kernel's description: processor, compiler, emitters and their formulas."""
    digest = hashlib.sha256()
    for part in (llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten(), llvmlite.__version__):
        digest.update(part.encode())
    digest.update(source_digest())
    return digest.digest()


def compiled(emit: Callable[..., ir.Function], *arguments: object) -> int:
    """Address of the code of a kernel, which stays for the life of the process.

    Code is found again by the emitter's name and all its arguments, so these must print everything that they hold.

    Args:
        emit: writes the kernel, when it is not on disk.
        arguments: what it is called with.
    """
    # Emitters of all operators have the same names, in modules of the same names: the whole path tells them apart.
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
    # Loops are vectorised by hand, so only the scalar optimisations are wanted.
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
"""Of every kernel; each lives in a module of its own."""
