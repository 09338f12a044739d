"""The potential at the start of a run: with random weights, or with those of the starting potential."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from potentials.config.run import RunConfig
from potentials.data.batch import BatchLimit, batches
from potentials.data.graph import build_graph
from potentials.data.label import LabeledFrame
from potentials.interop.starting import load_start
from potentials.potential import Potential
from potentials.training.low_rank import adapt

_BATCH = 16
"""Frames that are computed at a time."""


class StartingBaseline:
    """Energies of the starting potential, for reference energies that are re-estimated from its errors."""

    def __init__(self, potential: Potential) -> None:
        self.potential = potential

    @property
    def reference_energies(self) -> dict[str, float]:
        """Reference energies in eV, by element."""
        return dict(zip(self.potential.elements, self.potential.reference_energies.tolist(), strict=True))

    def energies(self, frames: Sequence[LabeledFrame]) -> list[float]:
        """Compute the energy of each frame, eV.

        Raises:
            UnknownElementError: a frame has an element that the potential does not know.
        """
        potential = self.potential
        graphs = [build_graph(frame.frame.atoms, potential.elements, potential.cutoff) for frame in frames]
        found: list[float] = []
        with torch.no_grad():
            for batch in batches(graphs, BatchLimit("frames", _BATCH)):
                found += potential(batch, forces=False).energy.tolist()
        return found


def starting_baseline(config: RunConfig) -> StartingBaseline | None:
    """Load the starting potential if the reference energies are re-estimated from its errors.

    Raises:
        ModelFileError, ConversionError: the starting potential cannot be read.
    """
    if config.start_from is None or not isinstance(config.data.reference_energies, str):
        return None
    return StartingBaseline(load_start(config.start_from, config.train.precision).eval())


def initial_potential(config: RunConfig, reference_energies: Mapping[str, float]) -> Potential:
    """Build the potential of a run; parameters that the run does not train are frozen.

    Args:
        config: the resolved configuration.
        reference_energies: eV, by element.

    Raises:
        ModelFileError, ConversionError: the starting potential cannot be read.
    """
    potential = Potential(config.model, dict(reference_energies), config.train.precision)
    if config.start_from is None:
        return potential
    start = load_start(config.start_from, config.train.precision)
    potential.model.load_state_dict(start.model.state_dict())
    origin = {"imported_from": start.metadata["imported_from"]} if "imported_from" in start.metadata else {}
    section = config.start_from.model_dump(exclude_none=True)
    potential.metadata["started_from"] = {**section, "method": config.fine_tune.method, **origin}
    if config.fine_tune.method == "lora":
        adapt(potential, config.fine_tune.rank, config.fine_tune.alpha)
    if config.fine_tune.method == "readouts":
        potential.requires_grad_(False)
        for parameter in potential.readout_parameters():
            parameter.requires_grad_(True)
    return potential
