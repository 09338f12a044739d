"""A restricted unpickler: it imports nothing and calls nothing that the file names."""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable, Mapping
from typing import Any

import torch

from potentials.errors import ConversionError
from potentials.interop.pickles.records import Record, Storage, StoredTensor, record_class

STORAGE_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_DTYPES = {
    name: dtype
    for name in ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
    if isinstance(dtype := getattr(torch, name), torch.dtype)
}
_CONTAINERS: dict[str, type] = {
    "collections.OrderedDict": dict,
    "builtins.dict": dict,
    "builtins.list": list,
    "builtins.set": set,
    "builtins.frozenset": frozenset,
    "builtins.tuple": tuple,
    "builtins.slice": slice,
    "torch.Size": tuple,
}
_OUTDATED = {"__builtin__": "builtins"}
"""Names of modules in pickles of protocol 2."""
_FORBIDDEN = {"EXT1", "EXT2", "EXT4", "INST", "NEXT_BUFFER", "READONLY_BUFFER"}
"""Opcodes that neither PyTorch nor the other programs write."""


class _Builder:
    """A function of this module that a pickle may call; the pickle cannot set its attributes."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise TypeError("a function has no state")


class _Dictionary(dict[Any, Any]):
    """An ordered dictionary without attributes (`state_dict` has an attribute `_metadata`)."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        """Ignore the attributes."""


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> StoredTensor:
    if not isinstance(storage, Storage) or not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise TypeError("expected a storage, an offset, a shape and strides")
    return StoredTensor(storage, offset, shape, strides)


def _parameter(tensor: Any, *_: Any) -> StoredTensor:
    if not isinstance(tensor, StoredTensor):
        raise TypeError("expected a tensor")
    return tensor


def _encoded(text: Any, encoding: Any) -> bytes:
    """Return bytes, which protocol 2 stores as text."""
    if not isinstance(text, str) or encoding != "latin1":
        raise TypeError("expected text in the encoding latin1")
    return text.encode("latin1")


_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PICKLES = 5
"""Magic number, version, machine, the saved object, and the keys of its storages; the numbers follow."""


def _storage_from_bytes(content: Any) -> Storage:
    """Return the storage in a file of PyTorch before 1.6, as it is pickled within modules that e3nn compiles."""
    if not isinstance(content, bytes):
        raise TypeError("expected bytes")
    stream, parts = io.BytesIO(content), []
    for _ in range(_LEGACY_PICKLES):
        start = stream.tell()
        _check_opcodes(stream)
        parts.append(content[start : stream.tell()])
    magic, _, machine, keys = (_Unpickler(parts[number], {}, {}).load() for number in (0, 1, 2, 4))
    if magic != _LEGACY_MAGIC or not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise TypeError("expected numbers that PyTorch saved in little-endian order")
    if not isinstance(keys, list) or len(keys) != 1:
        raise TypeError("expected one storage")
    # Eight bytes with the number of elements precede them.
    numbers = content[stream.tell() + 8 :]
    storage = _Unpickler(parts[3], {str(keys[0]): lambda: numbers}, {str(keys[0]): len(numbers)}).load()
    if not isinstance(storage, Storage):
        raise TypeError("expected a storage")
    return storage


def _no_bytes() -> bytes:
    """Return empty bytes, which protocol 2 stores as a call without arguments."""
    return b""


def _reconstructed(cls: Any, base: Any = None, content: Any = None) -> Any:
    """Create an object as `copyreg._reconstructor` does, of a record's class only."""
    if not (isinstance(cls, type) and issubclass(cls, Record)):
        raise TypeError("expected a class of another program")
    return cls(*(() if content is None else (content,)))


_FUNCTIONS = {
    "torch._utils._rebuild_tensor_v2": _Builder(_tensor),
    "torch._utils._rebuild_parameter": _Builder(_parameter),
    "torch._utils._rebuild_parameter_with_state": _Builder(_parameter),
    "torch.storage._load_from_bytes": _Builder(_storage_from_bytes),
    "_codecs.encode": _Builder(_encoded),
    "builtins.bytes": _Builder(_no_bytes),
    "copyreg._reconstructor": _Builder(_reconstructed),
}


class _Unpickler(pickle.Unpickler):
    """Resolves names to containers, tensors and records, never to anything importable."""

    def __init__(self, content: bytes, storages: Mapping[str, Callable[[], bytes]], sizes: Mapping[str, int]) -> None:
        super().__init__(io.BytesIO(content))
        self._classes: dict[str, type[Record]] = {}
        self._storages, self._sizes = storages, sizes

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a name in the file."""
        full = f"{_OUTDATED.get(module, module)}.{name}"
        if full == "collections.OrderedDict":
            return _Dictionary
        if full in _CONTAINERS:
            return _CONTAINERS[full]
        if full in _FUNCTIONS:
            return _FUNCTIONS[full]
        if module == "torch" and name in STORAGE_DTYPES:
            return STORAGE_DTYPES[name]
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        return self._classes.setdefault(full, record_class(full))

    def persistent_load(self, pid: Any) -> Storage:
        """Return the storage that a persistent id names."""
        match pid:
            case ("storage", torch.dtype() as dtype, str() | int() as key, _, int() as numel) | (
                "storage",
                torch.dtype() as dtype,
                str() | int() as key,
                _,
                int() as numel,
                None,
            ):
                key = str(key)  # a number in packages
            case _:
                raise ConversionError(f"expected the description of a storage, got {str(pid)[:100]}")
        size = numel * torch.empty(0, dtype=dtype).element_size()
        if self._sizes.get(key) != size:
            raise ConversionError(
                f"storage {key[:50]}: expected {numel} numbers of {dtype}, {size} bytes; the file contains "
                f"{self._sizes.get(key, 'no such storage')}"
            )
        return Storage(key, dtype, numel, self._storages[key])


def _check_opcodes(content: bytes | io.BytesIO) -> None:
    """Refuse opcodes that are never needed, and indices of the memo for which memory would be reserved."""
    for count, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        if opcode.name in _FORBIDDEN:
            raise ConversionError(f"unexpected instruction {opcode.name}")
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and (argument is None or argument > count):
            raise ConversionError(f"unexpected memo index {argument}")


def unpickle(content: bytes, storages: Mapping[str, Callable[[], bytes]], sizes: Mapping[str, int]) -> Any:
    """Read a pickle without importing or calling anything that it names.

    Args:
        content: the pickle.
        storages: functions that read the bytes of each storage of tensors, by key.
        sizes: size of each storage in bytes.

    Returns:
        Containers, numbers and text as they are, tensors as `StoredTensor`, all other objects as `Record`.

    Raises:
        ConversionError: the pickle is damaged, or needs more than that.
    """
    try:
        _check_opcodes(content)
        return _Unpickler(content, storages, sizes).load()
    except ConversionError:
        raise
    # A damaged pickle can raise any of these in the interpreter of its instructions.
    except (
        pickle.UnpicklingError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, OverflowError,
        UnicodeError, MemoryError, RecursionError,
    ) as error:  # fmt: skip
        raise ConversionError(f"the pickle cannot be read: {str(error)[:200]}") from error
