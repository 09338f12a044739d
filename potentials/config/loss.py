"""The `loss` section: which errors are minimised, and with which weights."""

from __future__ import annotations

from typing import Literal

from potentials.config.base import NonNegativeNumber, PositiveNumber, StrictConfig

LossFunction = Literal["mse", "mae", "huber"]


class EnergyLoss(StrictConfig):
    """Error of the energy."""

    weight: NonNegativeNumber = 1.0
    function: LossFunction = "mse"
    huber_delta: PositiveNumber = 0.01
    """Error (eV, or eV/atom) beyond which the Huber loss grows linearly."""
    per_atom: bool = True
    """Divide the error by the number of atoms first."""


class ForcesLoss(StrictConfig):
    """Error of the force components, eV/A."""

    weight: NonNegativeNumber = 100.0
    function: LossFunction = "mse"
    huber_delta: PositiveNumber = 0.01


class StressLoss(StrictConfig):
    """Error of the stress components, eV/A^3."""

    weight: NonNegativeNumber = 0.0
    function: LossFunction = "mse"
    huber_delta: PositiveNumber = 0.01


class LossConfig(StrictConfig):
    """Loss = sum over properties of weight times mean error function; frames without a label do not count."""

    energy: EnergyLoss = EnergyLoss()
    forces: ForcesLoss = ForcesLoss()
    stress: StressLoss = StressLoss()
