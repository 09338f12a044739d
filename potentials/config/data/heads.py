"""Settings of the heads (levels of theory) of a run."""

from __future__ import annotations

from typing import Literal

from potentials.config.base import FiniteNumber, PositiveInteger, PositiveNumber, StrictConfig
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
from potentials.config.data.weights import WeightsConfig
from potentials.config.elements import ElementSymbol
from potentials.units import LengthUnit

INHERITED = (
    *("energy", "forces", "stress", "virial", "reference_energies", "isolated_atoms", "train_size"),
    *("length_unit", "group_key", "weights"),
)
"""Settings of a head that are those of the `data` section unless they are given."""


class HeadConfig(StrictConfig):
    """Settings of one head (level of theory). Labels, their units, reference energies, isolated atoms, groups and
    weights that are not given are those of the `data` section; scale and shift those of the `model` section."""

    weight: PositiveNumber = 1.0
    """Weight of all frames of this head in the loss."""
    repeat: Literal["auto"] | PositiveInteger = 1
    """How many times an epoch uses each training frame of this head. `auto`: as often as needed for the largest head to
    contribute at most about eight times as many frames to an epoch as this head."""
    energy: EnergySetting = EnergyLabel()
    forces: ForcesSetting = ForcesLabel()
    stress: StressSetting = None
    virial: VirialSetting = None
    reference_energies: ReferenceEnergies = "auto"
    """Reference energies (E0) of this head, as `data.reference_energies`."""
    isolated_atoms: Files | None = None
    """Files with isolated-atom frames of this head."""
    train_size: PositiveInteger | None = None
    """Number of training frames of this head to use."""
    length_unit: LengthUnit = "A"
    """Unit of positions and cells in the files of this head."""
    group_key: str = "config_type"
    """Entry of `atoms.info` with the name of the configuration group of a frame."""
    weights: WeightsConfig = WeightsConfig()
    scale: Literal["auto"] | PositiveNumber | dict[ElementSymbol, PositiveNumber] = "auto"
    """Scale of the node energies of this head in eV. `auto` is `model.scale`, or inferred from the training frames of
    this head if that is `auto`, too."""
    shift: Literal["auto"] | FiniteNumber | dict[ElementSymbol, FiniteNumber] = "auto"
    """Shift of the node energies of this head in eV. `auto` is `model.shift`, or inferred from the training frames of
    this head if that is `auto`, too."""
