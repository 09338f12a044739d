"""Modules of PyTorch in a file: their attributes, submodules and state dict."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from torch import Tensor

from potentials.errors import ConversionError
from potentials.interop.pickles.records import Record, StoredTensor
from potentials.interop.pickles.torch_file import read_archive
from potentials.interop.pickles.unpickler import unpickle

_MOST_LEVELS = 40


def class_of(value: Any) -> str:
    """Return the name of the class of a record, or of the function or class it stands for, without its module."""
    if isinstance(value, type) and issubclass(value, Record):
        return value.class_name.rpartition(".")[2]
    return type(value).class_name.rpartition(".")[2] if isinstance(value, Record) else type(value).__name__


def submodules(module: Any) -> dict[str, Record]:
    """Return the direct submodules by name."""
    found = module.mapping("_modules") if isinstance(module, Record) else {}
    return {name: each for name, each in found.items() if isinstance(each, Record)}


def submodule(module: Record, *path: str) -> Record:
    """Return a submodule.

    Raises:
        ConversionError: there is none of this name.
    """
    found: Any = module
    for name in path:
        found = submodules(found).get(name)
    if not isinstance(found, Record):
        raise ConversionError(f"the model has no module {'.'.join(path)}")
    return found


def has_submodule(module: Record, name: str) -> bool:
    """Return whether there is a submodule of this name."""
    return name in submodules(module)


def stored_state(module: Record) -> dict[str, Tensor]:
    """Return parameters and buffers of a module and its submodules, as PyTorch's `state_dict`.

    Modules that e3nn compiles store their tensors as an archive within the pickle; these are included.

    Raises:
        ConversionError: modules are nested in one another, or a tensor cannot be read.
    """
    return {name: value.tensor() for name, value in _tensors(module, "", 0)}


def _tensors(module: Record, prefix: str, level: int) -> Iterator[tuple[str, StoredTensor]]:
    if level > _MOST_LEVELS:
        raise ConversionError(f"{prefix[:200]}: modules are nested more than {_MOST_LEVELS} levels deep")
    left_out = module.attribute("_non_persistent_buffers_set")
    for kind in ("_parameters", "_buffers"):
        for name, value in module.mapping(kind).items():
            if isinstance(value, StoredTensor) and not (isinstance(left_out, set) and name in left_out):
                yield f"{prefix}{name}", value
    for name, inner in submodules(module).items():
        yield from _tensors(inner, f"{prefix}{name}.", level + 1)
    for name, content in module.mapping("__codegen__").items():
        if isinstance(content, bytes):
            yield from _compiled_tensors(content, f"{prefix}{name}.")
        elif isinstance(content, tuple) and len(content) == 2 and content[0] == "fx":
            yield from _traced_tensors(content[1], f"{prefix}{name}.")


def _traced_tensors(content: Any, prefix: str) -> Iterator[tuple[str, StoredTensor]]:
    """Yield the buffers of a module that torch.fx traced: a call with its attributes and its program, not read here."""
    traced = unpickle(content, {}, {}) if isinstance(content, bytes) else None
    attributes = traced.arguments[0] if isinstance(traced, Record) and traced.arguments else None
    buffers = attributes.get("_buffers") if isinstance(attributes, dict) else None
    for name, value in (buffers if isinstance(buffers, dict) else {}).items():
        if isinstance(value, StoredTensor):
            yield f"{prefix}{name}", value


def _compiled_tensors(content: bytes, prefix: str) -> Iterator[tuple[str, StoredTensor]]:
    """Yield the tensors of a compiled module, whose attributes are stored directly, without its program."""
    compiled = read_archive(io.BytesIO(content), prefix.removesuffix("."), is_compiled=True)
    attributes = compiled.state if isinstance(compiled, Record) else None
    for name, value in (attributes if isinstance(attributes, dict) else {}).items():
        if isinstance(value, StoredTensor):
            yield f"{prefix}{name}", value
