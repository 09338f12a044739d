"""The `loss` section: which errors are minimized, and with which weights."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, model_validator

from potentials.config.base import NonNegativeNumber, PositiveNumber, StrictConfig

LossFunction = Literal["mse", "mae", "huber"]


class EnergyLoss(StrictConfig):
    """Error of the energy."""

    weight: NonNegativeNumber = 1.0
    """Factor on the mean error of the energies; 0 leaves them out."""
    function: LossFunction = "mse"
    """Square, absolute value, or Huber's: half the square of small errors, growing linearly beyond `huber_delta`."""
    huber_delta: PositiveNumber = 0.01
    """Error (eV, or eV/atom) beyond which the Huber loss grows linearly."""
    per_atom: bool = True
    """Divide the error by the number of atoms first."""


class ForcesLoss(StrictConfig):
    """Error of the force components, eV/A."""

    weight: NonNegativeNumber = 100.0
    """Factor on the mean error of the force components; 0 leaves them out."""
    function: LossFunction = "mse"
    """Square, absolute value, or Huber's: half the square of small errors, growing linearly beyond `huber_delta`."""
    huber_delta: PositiveNumber = 0.01
    """Error (eV/A) beyond which the Huber loss grows linearly."""


class StressLoss(StrictConfig):
    """Error of the stress components, eV/A^3."""

    weight: NonNegativeNumber = 0.0
    """Factor on the mean error of the stress components; 0 leaves them out."""
    function: LossFunction = "mse"
    """Square, absolute value, or Huber's: half the square of small errors, growing linearly beyond `huber_delta`."""
    huber_delta: PositiveNumber = 0.01
    """Error (eV/A^3) beyond which the Huber loss grows linearly."""


def _null_is_no_weight(value: Any) -> Any:
    """`energy: null` is short for `energy: {weight: 0}`."""
    return {"weight": 0} if value is None else value


class LossConfig(StrictConfig):
    """Loss = sum over properties of weight times mean error function; frames without a label do not count."""

    energy: Annotated[EnergyLoss, BeforeValidator(_null_is_no_weight, EnergyLoss | None)] = EnergyLoss()
    forces: Annotated[ForcesLoss, BeforeValidator(_null_is_no_weight, ForcesLoss | None)] = ForcesLoss()
    stress: Annotated[StressLoss, BeforeValidator(_null_is_no_weight, StressLoss | None)] = StressLoss()

    @model_validator(mode="after")
    def _some_weight(self) -> Self:
        if self.energy.weight == self.forces.weight == self.stress.weight == 0:
            raise ValueError("the weights of energy, forces and stress are all zero; there is nothing to train on")
        return self
