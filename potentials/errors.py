"""Errors for users. Each states what was expected, what was found, where, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from potentials.interrupts import raise_received


class PotentialsError(Exception):
    """Base class of all errors this package raises; the command line prints the message without a traceback."""

    def __init__(self, message: str = "") -> None:
        # An error that a library raised because of an interrupt is not a user error: raise the interrupt instead.
        raise_received()
        super().__init__(_without_traceback(message, type(self)))


def _without_traceback(message: str, error: type[Exception]) -> str:
    """Return the message alone: an error in a data loader's worker process carries the traceback of that process."""
    if "in DataLoader worker process" not in message.partition("\n")[0]:
        return message
    return message.rpartition(f"\n{error.__module__}.{error.__qualname__}: ")[2].rstrip("\n")


@dataclass(frozen=True)
class Problem:
    """A problem of a configuration: where it is and what to do about it."""

    message: str
    file: str | None = None
    line: int | None = None
    key: str | None = None

    def __str__(self) -> str:
        place = self.file or ""
        if self.line is not None:
            place += f":{self.line}"
        head = "  ".join(part for part in (place, f"{self.key}:" if self.key else "") if part)
        return f"{head} {self.message}".strip()


class ConfigError(PotentialsError):
    """A configuration that cannot be used; holds all its problems."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class DataError(PotentialsError):
    """Structures or labels that cannot be read or trained on."""

    silent_elsewhere = False
    """Whether other programs read the file incorrectly without an error; `potentials data audit` reports this."""

    def within(self, data: str) -> DataError:
        """Return the same error with the name of the data set it was found in."""
        error = DataError(f"{data}: {self}")
        error.silent_elsewhere = self.silent_elsewhere
        return error


class ModelFileError(PotentialsError):
    """A model file that is truncated, has an unknown version, or does not match its own header."""


class ConversionError(PotentialsError):
    """Weights of another program that cannot be converted to a potential."""


class OperatorError(PotentialsError):
    """Arguments of an operator that do not match, or a derivative that is not implemented."""


class LayoutError(PotentialsError):
    """Feature tensors, layouts or channels that do not match."""


class UnknownElementError(PotentialsError):
    """A structure contains an element the potential was not trained on."""


class TrainingError(PotentialsError):
    """A training run that cannot start or continue."""


class FolderInUseError(TrainingError):
    """Another process is training in the folder of a run."""


class SimulationError(PotentialsError):
    """A simulation, relaxation or prediction that cannot be carried out."""


class DashboardError(PotentialsError):
    """A dashboard that cannot be served."""
