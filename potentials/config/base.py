"""What every configuration section is made of."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema


class StrictConfig(BaseModel):
    """A section of the configuration: unknown keys are errors, `yes` is not a number, values cannot be changed later."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, validate_default=True, use_attribute_docstrings=True)


_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|min|m|s)")
_SECONDS = {"d": 86400.0, "h": 3600.0, "min": 60.0, "m": 60.0, "s": 1.0}


def parse_duration(value: Any) -> Any:
    """Turn `90s`, `15m`, `2h 30m`, `1d` or `HH:MM:SS` into a `timedelta`; anything else raises `ValueError`."""
    if isinstance(value, timedelta):
        return value
    text = value.strip() if isinstance(value, str) else ""
    if re.fullmatch(r"\d+:\d{2}:\d{2}", text):
        hours, minutes, seconds = (int(part) for part in text.split(":"))
        return timedelta(hours=hours, minutes=minutes, seconds=seconds)
    parts = _DURATION_PART.findall(text)
    if not parts or _DURATION_PART.sub("", text).strip():
        raise ValueError(f'expected a duration such as "90s", "15m", "2h 30m" or "01:30:00", got {value!r}')
    return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in parts))


def format_duration(value: timedelta) -> str:
    """The inverse of `parse_duration`: `timedelta(minutes=90)` is `1h 30m`."""
    seconds = value.total_seconds()
    parts = []
    for unit in ("d", "h", "m"):
        whole, seconds = divmod(seconds, _SECONDS[unit])
        if whole:
            parts.append(f"{int(whole)}{unit}")
    if seconds or not parts:
        parts.append(f"{seconds:g}s")
    return " ".join(parts)


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "description": 'such as "90s", "15m", "2h 30m" or "01:30:00"'}),
]
PositiveInteger = Annotated[int, Field(ge=1)]
NonNegativeInteger = Annotated[int, Field(ge=0)]
PositiveNumber = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegativeNumber = Annotated[float, Field(ge=0, allow_inf_nan=False)]
FiniteNumber = Annotated[float, Field(allow_inf_nan=False)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
