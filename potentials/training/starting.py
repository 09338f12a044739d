"""The potential at the start of a run: with random weights, or with those of the starting potential."""

from __future__ import annotations

from collections.abc import Mapping

from potentials.config.run import RunConfig
from potentials.interop.starting import load_start
from potentials.potential import Potential


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
    if config.fine_tune.method == "readouts":
        potential.requires_grad_(False)
        for parameter in potential.readout_parameters():
            parameter.requires_grad_(True)
    return potential
