"""What the unpickler creates in place of objects of other programs: names and data without behavior."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import torch
from torch import Tensor

from potentials.errors import ConversionError


class _Unchangeable(type):
    """Metaclass of records; the content of a file cannot set attributes of a class."""

    def __setattr__(cls, name: str, value: object) -> None:
        raise TypeError("the class of a record cannot be changed")

    def __repr__(cls) -> str:
        return f"<class {cls.class_name}>"  # type: ignore[attr-defined]


class Record(metaclass=_Unchangeable):
    """An object of another program, or a function that it names.

    Each class and function named in a file is a subclass of its own; see `record_class`. Calling it stores the
    arguments.
    """

    class_name: ClassVar[str] = ""
    """Module and name, such as `mace.modules.models.ScaleShiftMACE`."""

    arguments: tuple[Any, ...]
    """Arguments of the call that created the object."""
    state: Any
    """The stored state, usually a dictionary of attributes; None if there is none."""
    elements: list[Any]
    """Elements, if the class is a kind of list or set."""
    entries: dict[Any, Any]
    """Entries, if the class is a kind of mapping."""

    def __new__(cls, *arguments: Any, **named: Any) -> Record:
        """Create a record with these arguments; arguments by name follow the others."""
        created = object.__new__(cls)
        created.arguments = (*arguments, *named.values())
        created.state, created.elements, created.entries = None, [], {}
        return created

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """Do nothing: `__new__` stores the arguments."""

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.entries[key] = value

    def append(self, element: Any) -> None:
        """Store an element."""
        self.elements.append(element)

    def extend(self, elements: Iterable[Any]) -> None:
        """Store elements."""
        self.elements.extend(elements)

    def attribute(self, name: str) -> Any:
        """Return an attribute, or None if it is not stored."""
        return self.state.get(name) if isinstance(self.state, dict) else None

    def mapping(self, name: str) -> dict[Any, Any]:
        """Return an attribute that is a dictionary; empty if it is not stored or something else."""
        found = self.attribute(name)
        return found if isinstance(found, dict) else {}

    def __repr__(self) -> str:
        return f"<{type(self).class_name}>"


def record_class(name: str) -> type[Record]:
    """Return a new class of records for a class or function of this name."""
    return cast(type[Record], _Unchangeable("Record", (Record,), {"class_name": name}))


@dataclass(frozen=True)
class Storage:
    """Numbers in a file, read when needed.

    Attributes:
        name: name in the file.
        dtype: type of the numbers.
        numel: how many there are.
        read: reads their bytes.
    """

    name: str
    dtype: torch.dtype
    numel: int
    read: Callable[[], bytes] = field(repr=False)


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a file, read when needed: a view of a storage.

    Raises:
        ConversionError: the view does not lie within the storage, or repeats its numbers.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __post_init__(self) -> None:
        numbers = (self.offset, *self.shape, *self.strides)
        if len(self.shape) != len(self.strides) or any(type(number) is not int or number < 0 for number in numbers):
            raise ConversionError(f"tensor {self.storage.name}: expected sizes and strides >= 0, got {numbers}")
        if math.prod(self.shape) == 0:
            return
        last = self.offset + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        if last >= self.storage.numel or math.prod(self.shape) > self.storage.numel:
            raise ConversionError(
                f"tensor {self.storage.name}: shape {self.shape}, strides {self.strides} and offset {self.offset} "
                f"exceed the {self.storage.numel} numbers in the file"
            )

    def tensor(self) -> Tensor:
        """Read the tensor; it shares no memory with other tensors."""
        if math.prod(self.shape) == 0:
            return torch.empty(self.shape, dtype=self.storage.dtype)
        numbers = torch.frombuffer(bytearray(self.storage.read()), dtype=self.storage.dtype)
        return numbers.as_strided(self.shape, self.strides, self.offset).clone()
