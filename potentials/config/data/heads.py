"""Settings of the heads (levels of theory) of a run."""

from __future__ import annotations

from typing import Literal

from potentials.config.base import FiniteNumber, NonNegativeNumber, PositiveNumber, StrictConfig
from potentials.config.data.files import Files
from potentials.config.data.labels import (
    EnergyLabel,
    EnergySetting,
    ForcesLabel,
    ForcesSetting,
    ReferenceEnergies,
    StressSetting,
    VirialSetting,
)
from potentials.config.elements import ElementSymbol

INHERITED = ("energy", "forces", "stress", "virial", "reference_energies", "isolated_atoms")
"""Settings of a head that are those of the `data` section unless they are given."""


class HeadConfig(StrictConfig):
    """Settings of one head (level of theory). Labels, reference energies and isolated atoms that are not given are
    those of the `data` section; scale and shift those of the `model` section."""

    weight: NonNegativeNumber = 1.0
    """Weight of all frames of this head in the loss."""
    energy: EnergySetting = EnergyLabel()
    forces: ForcesSetting = ForcesLabel()
    stress: StressSetting = None
    virial: VirialSetting = None
    reference_energies: ReferenceEnergies = "auto"
    """Reference energies (E0) of this head, as `data.reference_energies`."""
    isolated_atoms: Files | None = None
    """Files with isolated-atom frames of this head."""
    scale: Literal["auto"] | PositiveNumber | dict[ElementSymbol, PositiveNumber] = "auto"
    """Scale of the node energies of this head in eV; `auto` is inferred from its training frames."""
    shift: Literal["auto"] | FiniteNumber | dict[ElementSymbol, FiniteNumber] = "auto"
    """Shift of the node energies of this head in eV; `auto` is inferred from its training frames."""
