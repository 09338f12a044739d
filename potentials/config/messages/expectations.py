"""Descriptions of the values that the schema allows, and lookup of the schema of a value."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from potentials.config.families import FamilyConfig, families
from potentials.config.messages.descriptions import Description, format_names, join_or, quote

_NULL = "null"
_TYPES: dict[Any, tuple[str, str]] = {
    str: ("text", "text"),
    int: ("an integer", "integers"),
    float: ("a number", "numbers"),
    bool: ("true or false", "true or false"),
    dict: ("a mapping", "mappings"),
    type(None): (_NULL, _NULL),
    Any: ("any value", "values"),
}


@dataclass(frozen=True)
class Expectation:
    """The type of a value in the schema, with its metadata."""

    type: Any
    metadata: tuple[Any, ...] = ()
    discriminator: str | None = None

    @classmethod
    def of(cls, annotation: Any) -> Expectation:
        """Create an expectation from an annotation."""
        if get_origin(annotation) is not Annotated:
            return cls(annotation)
        inner, *metadata = get_args(annotation)
        return cls.of(inner)._with(metadata)

    @classmethod
    def of_field(cls, field: FieldInfo) -> Expectation:
        """Create an expectation from a field of a model."""
        return cls.of(field.annotation)._with([field])

    def _with(self, metadata: list[Any]) -> Expectation:
        constraints: list[Any] = list(self.metadata)
        discriminator = self.discriminator
        for item in metadata:
            if isinstance(item, FieldInfo):
                constraints += item.metadata
                if isinstance(item.discriminator, str):
                    discriminator = item.discriminator
            else:
                constraints.append(item)
        return Expectation(self.type, tuple(constraints), discriminator)

    @property
    def annotation(self) -> Any:
        """The annotation without validators (for one branch of a union)."""
        return Annotated[self.type, *self.metadata] if self.metadata else self.type

    @property
    def branches(self) -> list[Expectation]:
        """The members of a union; otherwise the expectation itself."""
        if get_origin(self.type) not in (Union, types.UnionType):
            return [self]
        return [branch for member in get_args(self.type) for branch in Expectation.of(member).branches]

    @property
    def without_null(self) -> Expectation:
        """The only member besides null if there is one; otherwise the expectation itself."""
        members = [branch for branch in self.branches if branch.type is not type(None)]
        if len(members) == 1 and members[0] is not self:
            return members[0]._with(list(self.metadata))
        return self

    @property
    def is_union(self) -> bool:
        """Whether there are several members besides null."""
        return len(self.branches) > 1 and self.without_null is self

    @property
    def input_form(self) -> Expectation:
        """What may be written in the file, if a validator expands short forms."""
        for item in self.metadata:
            if isinstance(item, BeforeValidator) and item.json_schema_input_type is not PydanticUndefined:
                return Expectation.of(item.json_schema_input_type)
        return self

    @property
    def choices(self) -> list[str]:
        """The texts of its `Literal`s."""
        literals = [get_args(branch.type) for branch in self.input_form.branches if get_origin(branch.type) is Literal]
        return [choice for choices in literals for choice in choices if isinstance(choice, str)]

    @property
    def tags(self) -> dict[str, type[BaseModel]]:
        """The models of a union with a discriminator, by its values."""
        if self.discriminator is None:
            return {}
        return {
            tag: branch.type
            for branch in self.branches
            if (model := branch.model) is not None
            for tag in get_args(model.model_fields[self.discriminator].annotation)
        }

    @property
    def model(self) -> type[BaseModel] | None:
        """The section class, if a section is expected."""
        return self.type if isinstance(self.type, type) and issubclass(self.type, BaseModel) else None

    @property
    def items(self) -> Expectation | None:
        """The expectation of each item of a list or value of a mapping."""
        arguments = get_args(self.type) if get_origin(self.type) in (list, dict) else ()
        return Expectation.of(arguments[-1]) if arguments else None

    @property
    def python_type(self) -> type | None:
        """`dict`, `list` or `str`, if such a value can fit."""
        origin = get_origin(self.type) or self.type
        if self.model is not None or origin is dict:
            return dict
        return origin if origin in (list, str) else None

    def describe(self) -> str:
        """Describe the expected value in words: `an integer of at least 1`."""
        # Null comes last; duplicates are removed.
        alternatives = sorted(dict.fromkeys(self._alternatives()), key=lambda description: description == _NULL)
        return join_or(alternatives)

    def _alternatives(self) -> list[str]:
        if self.input_form is not self:
            return self.input_form._alternatives()
        description = next((item.singular for item in self.metadata if isinstance(item, Description)), None)
        if description is not None:
            return [description]
        if self.discriminator is not None:
            tags = join_or([quote(tag) for tag in self.tags])
            return [f"a mapping with the key {quote(self.discriminator)} ({tags})"]
        if get_origin(self.type) is Literal:
            return [quote(value) if isinstance(value, str) else str(value) for value in get_args(self.type)]
        if len(self.branches) > 1:
            return [description for branch in self.branches for description in branch._alternatives()]
        return [self._describe_type()]

    def _describe_type(self) -> str:
        origin = get_origin(self.type) or self.type
        if origin in _TYPES:
            return f"{_TYPES[origin][0]}{self._limits()}"
        if origin is list:
            return f"a list of {self._length()}{_plural(get_args(self.type))}"
        if origin is FamilyConfig:
            return f'a mapping with the key "name" ({join_or([quote(name) for name in families()])})'
        if self.model is not None:
            return f"a mapping with {format_names('key', self.model.model_fields, at_most=8)}"
        return getattr(origin, "__name__", str(origin))

    def _limits(self) -> str:
        """Return ` of at least 1 and less than 5`, or ` (not empty)` for text."""
        limits = _limits_of(self.metadata)
        bounds = [
            f"{relation} {limits[name]:g}"
            for name, relation in (
                ("gt", "greater than"),
                ("ge", "of at least"),
                ("lt", "less than"),
                ("le", "at most"),
            )
            if name in limits
        ]
        empty = " (not empty)" if limits.get("min_length") and self.type is str else ""
        return f"{' ' if bounds else ''}{' and '.join(bounds)}{empty}"

    def _length(self) -> str:
        """Return `2 `, `1 or more ` or nothing, to precede the items of a list."""
        limits = _limits_of(self.metadata)
        shortest, longest = limits.get("min_length", 0), limits.get("max_length")
        if longest is None:
            return f"{shortest} or more " if shortest else ""
        return f"{longest} " if shortest == longest else f"{shortest} to {longest} "


def section_paths(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield every key below a section class with its full path: `("max_epochs", "train.max_epochs")`, ..."""
    for name, field in model.model_fields.items():
        yield name, prefix + name
        expectation = Expectation.of_field(field).without_null
        for inner in (branch.model for branch in expectation.branches):
            if inner is not None:
                yield from section_paths(inner, f"{prefix}{name}.")


def _limits_of(metadata: tuple[Any, ...]) -> dict[str, Any]:
    """Return the bounds in the metadata, by pydantic's names: `gt`, `ge`, `lt`, `le`, `min_length`, `max_length`."""
    names = ("gt", "ge", "lt", "le", "min_length", "max_length")
    single = [
        part for item in metadata for part in (item if isinstance(item, annotated_types.GroupedMetadata) else [item])
    ]
    return {name: getattr(item, name) for item in single for name in names if hasattr(item, name)}


def _plural(arguments: tuple[Any, ...]) -> str:
    item = Expectation.of(arguments[0]) if arguments else Expectation(Any)
    description = next((entry.plural for entry in item.metadata if isinstance(entry, Description)), None)
    return description or _TYPES.get(item.type, ("", "values"))[1]
