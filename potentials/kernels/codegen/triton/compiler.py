"""Triton functions from source text, written to a file because Triton reads the source of a function from its file."""

from __future__ import annotations

import hashlib
import importlib.util
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from potentials.kernels.codegen.code_cache import cache_folder


@cache
def _temporary_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="potentials-triton-"))


def load_functions(texts: list[str], names: list[str]) -> list[Any]:
    """Load Triton functions by name from a module with these texts, cached beside the CPU kernels."""
    text = "\n\n".join(["import triton\nimport triton.language as tl\n", *texts])
    name = hashlib.sha256(text.encode()).hexdigest()[:40]
    path = (cache_folder() or _temporary_folder()) / f"triton_{name}.py"
    if not path.exists() or path.read_text() != text:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as aside:
            aside.write(text)
        Path(aside.name).replace(path)
    spec = importlib.util.spec_from_file_location(f"potentials_triton_{name}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot read {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [getattr(module, name) for name in names]
