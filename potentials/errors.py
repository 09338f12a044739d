"""Errors a user can meet. Each says what was expected, what came, where, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from potentials.interrupts import raise_received


class PotentialsError(Exception):
    """Base of every error this package raises on purpose; the command line prints it without a traceback."""

    def __init__(self, message: str = "") -> None:
        # What a library makes of an interrupt is no error of the user's: the interrupt goes on instead.
        raise_received()
        super().__init__(_without_traceback(message, type(self)))


def _without_traceback(message: str, error: type[Exception]) -> str:
    """The message alone: what a loader's worker process raised comes back with the process' traceback around it."""
    if "in DataLoader worker process" not in message.partition("\n")[0]:
        return message
    return message.rpartition(f"\n{error.__module__}.{error.__qualname__}: ")[2].rstrip("\n")


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a configuration: where it stands and what to do about it."""

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
    """A configuration that cannot be used; carries all its problems at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class DataError(PotentialsError):
    """Structures or labels that cannot be read or trained on."""


class ModelFileError(PotentialsError):
    """A model file that is truncated, of a wrong version, or does not fit its own header."""


class ConversionError(PotentialsError):
    """Weights of another program that cannot be turned into a potential of this one."""


class OperatorError(PotentialsError):
    """Arguments of an operator that do not fit each other, or a derivative that it does not have."""


class LayoutError(PotentialsError):
    """Feature tensors, layouts or channels that do not fit together."""


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
