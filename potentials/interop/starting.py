"""Starting potentials of runs: model files, and models of other programs, which are converted."""

from __future__ import annotations

import hashlib
from pathlib import Path

from potentials.config.base import KeyedError
from potentials.config.starting import StartConfig, StartingPoint, register_start_reader
from potentials.config.train import Precision
from potentials.errors import PotentialsError
from potentials.interop.importing import import_model
from potentials.potential import Potential


def load_start(start: StartConfig, precision: Precision) -> Potential:
    """Load the starting potential of a run, in the precision of the run.

    Raises:
        PotentialsError: the file cannot be read, or has several heads and none is chosen.
    """
    return load_file(Path(start.file), start.head, precision)


def load_file(path: Path, head: str | None, precision: Precision | None = None) -> Potential:
    """Load the potential of one head from a model file, or convert it from a model of another program.

    Raises:
        PotentialsError: the file cannot be read, or has several heads and none is chosen.
    """
    return import_model(path, head, precision).select_head(None)


def _starting_point(path: Path, head: str | None) -> StartingPoint:
    path = path.resolve()
    try:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        potential = load_file(path, head)
    except OSError as error:
        raise KeyedError({"start_from.file": f"{path} cannot be read: {error.strerror}"}) from None
    except PotentialsError as error:
        raise KeyedError({"start_from.file": str(error)}) from None
    energies = dict(zip(potential.elements, potential.reference_energies.tolist(), strict=True))
    return StartingPoint(str(path), sha256, potential.config.model_dump(mode="json"), energies)


register_start_reader(_starting_point)
