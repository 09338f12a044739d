"""The potential at the start of a run: with random weights, or with those of the starting potential."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch

from potentials.config.run import RunConfig
from potentials.data.batch import BatchLimit, batches
from potentials.data.graph import build_graph
from potentials.data.label import LabeledFrame
from potentials.interop.starting import load_start
from potentials.potential import Head, MultiHeadPotential, Potential
from potentials.potential.elements import with_elements
from potentials.training.fine_tuning.low_rank import adapt

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
    methods = [section.reference_energies for section in config.data.sections()]
    if config.start_from is None or not any(isinstance(method, str) for method in methods):
        return None
    start = load_start(config.start_from, config.train.precision)
    copied_from = config.fine_tune.new_elements
    known = [*start.elements, *(symbol for symbol in copied_from if symbol not in start.elements)]
    return StartingBaseline(with_elements(start, known, copied_from).eval())


def untrained_potential(config: RunConfig, reference_energies: Mapping[str, float]) -> Potential:
    """Build a potential with random weights.

    Args:
        config: the resolved configuration.
        reference_energies: eV, by element; those of the first head if there are several.
    """
    heads = [
        Head(name, cast("dict[str, float]", head.reference_energies), cast(Any, head.scale), cast(Any, head.shift))
        for name, head in config.data.heads.items()
    ]
    if heads:
        return MultiHeadPotential(config.model, heads, config.train.precision)
    return Potential(config.model, dict(reference_energies), config.train.precision)


def initial_potential(config: RunConfig, reference_energies: Mapping[str, float]) -> Potential:
    """Build the potential of a run; parameters that the run does not train are frozen.

    Args:
        config: the resolved configuration.
        reference_energies: eV, by element.

    Raises:
        ModelFileError, ConversionError: the starting potential cannot be read.
    """
    potential = untrained_potential(config, reference_energies)
    if config.start_from is None:
        return potential
    start = load_start(config.start_from, config.train.precision)
    start = with_elements(start, potential.elements, config.fine_tune.new_elements)
    _take_weights(potential, start)
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


def _take_weights(potential: Potential, start: Potential) -> None:
    """Copy the weights of the starting potential; each head starts with its readouts."""
    if not potential.heads:
        potential.model.load_state_dict(start.model.state_dict())
        return
    potential.network.set_number_of_heads(1)
    potential.model.load_state_dict(start.model.state_dict())
    potential.network.set_number_of_heads(len(potential.heads))
