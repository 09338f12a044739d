"""The common interface of all writers of frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Literal

from potentials.data.read import Frame
from potentials.errors import DataError

Place = Literal["results", "info", "arrays"]
_PLACES: dict[Place, str] = {"results": "calculator results", "info": "info", "arrays": "arrays"}


class FrameWriter(ABC):
    """Writer of a new file, frame by frame; the file is complete when it is closed.

    Calculator results, info and arrays are preserved; a value that the format cannot represent is an error.
    """

    format: str
    """Name of the format in messages."""

    @abstractmethod
    def __init__(self, path: Path) -> None:
        """Create the file, which must not exist."""

    @abstractmethod
    def add(self, frame: Frame) -> None:
        """Write a frame.

        Raises:
            DataError: the format cannot represent a value of the frame.
        """

    @abstractmethod
    def close(self) -> None:
        """Write the remaining frames and close the file."""

    @abstractmethod
    def discard(self) -> None:
        """Close the file without completing it."""

    def refusal(self, frame: Frame, place: Place | None, key: Any, reason: Any) -> DataError:
        """Return the error for a value of a frame that the format cannot represent."""
        what = "it" if place is None else f'"{key}" of the {_PLACES[place]}'
        return DataError(f"{frame}: {self.format} cannot represent {what}: {reason}")
