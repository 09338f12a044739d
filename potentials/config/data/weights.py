"""Weights of frames, labels and configuration groups in the loss."""

from __future__ import annotations

from pydantic import Field

from potentials.config.base import NonNegativeNumber, StrictConfig


class GroupWeights(StrictConfig):
    """Weights of a configuration group for each property."""

    energy: NonNegativeNumber = 1.0
    """Weight of the energies."""
    forces: NonNegativeNumber = 1.0
    """Weight of the forces."""
    stress: NonNegativeNumber = 1.0
    """Weight of the stresses."""


class WeightsConfig(StrictConfig):
    """Weights of frames and labels in the loss. All weights are multiplied with each other and with those of the `loss`
    section."""

    key: str | None = None
    """Entry of `atoms.info` with the weight of the whole frame, such as `config_weight`."""
    energy_key: str | None = None
    """Entry of `atoms.info` with the weight of the energy."""
    forces_key: str | None = None
    """Entry of `atoms.info` with the weight of the forces."""
    stress_key: str | None = None
    """Entry of `atoms.info` with the weight of the stress."""
    groups: dict[str, NonNegativeNumber | GroupWeights] = Field(default={})
    """Weights of configuration groups (see `group_key`), by name of the group: one number for all labels, or one for
    each of `energy`, `forces` and `stress`. Labels of weight 0 contribute nothing to the loss."""

    def of_group(self, name: str) -> GroupWeights:
        """Return the weights of a group; 1 by default."""
        weights = self.groups.get(name, 1.0)
        if isinstance(weights, GroupWeights):
            return weights
        return GroupWeights(energy=weights, forces=weights, stress=weights)
