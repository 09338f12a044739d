"""What all writers of frames have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Literal

from potentials.data.read import Frame
from potentials.errors import DataError

Place = Literal["results", "info", "arrays"]
_PLACES: dict[Place, str] = {"results": "calculator results", "info": "info", "arrays": "arrays"}


class FrameWriter(ABC):
    """Writes a new file, frame by frame; the file is complete when it is closed.

    Frames keep their calculator results, info and arrays; what the format cannot hold is an error.
    """

    format: str
    """As messages call it."""

    @abstractmethod
    def __init__(self, path: Path) -> None:
        """Make the file, which is not there yet."""

    @abstractmethod
    def add(self, frame: Frame) -> None:
        """Write a frame.

        Raises:
            DataError: the format cannot hold something of it.
        """

    @abstractmethod
    def close(self) -> None:
        """Write what is left and close the file."""

    @abstractmethod
    def discard(self) -> None:
        """Close the file, which nobody wants any more."""

    def refusal(self, frame: Frame, place: Place | None, key: Any, reason: Any) -> DataError:
        """The error that says what of a frame the format cannot hold."""
        what = "it" if place is None else f'"{key}" of the {_PLACES[place]}'
        return DataError(f"{frame}: {self.format} cannot hold {what}: {reason}")
