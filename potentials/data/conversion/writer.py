"""What all writers of frames have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from potentials.data.frames import Frame
from potentials.errors import DataError


class FrameWriter(ABC):
    """Writes a file, frame by frame; the file is complete when it is closed.

    Frames keep their calculator results, info and arrays; what the format cannot hold is an error.
    """

    format: str
    """As messages call it."""

    @abstractmethod
    def add(self, frame: Frame) -> None:
        """Write a frame.

        Raises:
            DataError: the format cannot hold something of it.
        """

    @abstractmethod
    def close(self) -> None:
        """Write what is left and close the file."""

    def refusal(self, frame: Frame, place: str, key: str, reason: Any) -> DataError:
        """The error that says what of a frame the format cannot hold."""
        return DataError(f'{frame}: {self.format} cannot hold "{key}" of the {_PLACES[place]}: {reason}')


_PLACES = {"results": "calculator results", "info": "info", "arrays": "arrays"}
