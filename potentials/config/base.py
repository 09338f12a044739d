"""Base class and common types of the configuration sections."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from potentials.config.messages.descriptions import Description, describe_value, quote
from potentials.durations import format_duration


class StrictConfig(BaseModel):
    """A section of the configuration: unknown keys are errors, types are not converted, instances are immutable."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, validate_default=True, use_attribute_docstrings=True
    )


class KeyedError(ValueError):
    """Error of a validator about keys other than its own: one message for each full key, such as `train.max_epochs`."""

    def __init__(self, messages: dict[str, str]) -> None:
        self.messages = messages
        super().__init__("; ".join(f"{key}: {message}" for key, message in messages.items()))


_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|min|m|s)")
_DURATION_IN_WORDS = 'a duration such as "90s", "15m", "2h 30m" or "01:30:00"'
_SECONDS = {"d": 86400.0, "h": 3600.0, "min": 60.0, "m": 60.0, "s": 1.0}


def parse_duration(value: Any) -> Any:
    """Convert `90s`, `15m`, `2h 30m`, `1d` or `HH:MM:SS` to a `timedelta`; raise `ValueError` for other text."""
    if isinstance(value, timedelta):
        return value
    text = value.strip() if isinstance(value, str) else ""
    if re.fullmatch(r"\d+:\d{2}:\d{2}", text):
        parts = list(zip(text.split(":"), "hms", strict=True))
    else:
        parts = _DURATION_PART.findall(text)
        if not parts or _DURATION_PART.sub("", text).strip():
            raise ValueError(f"expected {_DURATION_IN_WORDS}, got {describe_value(value)}")
    try:
        return sum((timedelta(seconds=float(number) * _SECONDS[unit]) for number, unit in parts), timedelta())
    except OverflowError:
        raise ValueError(f"the duration {quote(text)} is too long") from None


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    Description(_DURATION_IN_WORDS, "durations"),
    WithJsonSchema({"type": "string", "examples": ["90s", "15m", "2h 30m", "01:30:00"]}),
]
PositiveInteger = Annotated[int, Field(ge=1)]
Width = Annotated[int, Field(ge=1, le=65_536)]
"""Number of channels, functions or features. The limit is far above that of any real model."""
Depth = Annotated[int, Field(ge=1, le=100)]
"""Number of layers."""
HiddenLayers = Annotated[list[Width], Field(max_length=20)]
"""Sizes of the hidden layers of a network."""
EnvelopePower = Annotated[int, Field(ge=2, le=100)]
"""Power p of a polynomial envelope."""
NonNegativeInteger = Annotated[int, Field(ge=0)]
PositiveNumber = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegativeNumber = Annotated[float, Field(ge=0, allow_inf_nan=False)]
FiniteNumber = Annotated[float, Field(allow_inf_nan=False)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
