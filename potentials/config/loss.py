"""The `loss` section: the errors that are minimized, and their weights."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, model_validator

from potentials.config.base import NonNegativeNumber, PositiveNumber, StrictConfig

LossFunction = Literal["mse", "mae", "huber"]


class EnergyLoss(StrictConfig):
    """Loss term of the energy."""

    weight: NonNegativeNumber = 1.0
    """Weight of the mean error of the energies; 0 excludes them."""
    function: LossFunction = "mse"
    """Error function: squared error, absolute error, or Huber (quadratic below `huber_delta`, linear above)."""
    huber_delta: PositiveNumber = 0.01
    """Error above which the Huber loss is linear, in eV/atom (in eV with `per_atom: false`)."""
    per_atom: bool = True
    """Divide the energy error by the number of atoms."""


class ForcesLoss(StrictConfig):
    """Loss term of the force components."""

    weight: NonNegativeNumber = 100.0
    """Weight of the mean error of the force components; 0 excludes them."""
    function: LossFunction = "mse"
    """Error function: squared error, absolute error, or Huber (quadratic below `huber_delta`, linear above)."""
    huber_delta: PositiveNumber = 0.01
    """Error (eV/A) above which the Huber loss is linear."""


class StressLoss(StrictConfig):
    """Loss term of the stress components."""

    weight: NonNegativeNumber = 0.0
    """Weight of the mean error of the stress components; 0 excludes them."""
    function: LossFunction = "mse"
    """Error function: squared error, absolute error, or Huber (quadratic below `huber_delta`, linear above)."""
    huber_delta: PositiveNumber = 0.01
    """Error (eV/A^3) above which the Huber loss is linear."""


def _null_is_no_weight(value: Any) -> Any:
    """Expand `energy: null` to `energy: {weight: 0}`."""
    return {"weight": 0} if value is None else value


class LossConfig(StrictConfig):
    """Loss = sum over properties of weight times mean error function. Missing labels are ignored."""

    energy: Annotated[EnergyLoss, BeforeValidator(_null_is_no_weight, EnergyLoss | None)] = EnergyLoss()
    forces: Annotated[ForcesLoss, BeforeValidator(_null_is_no_weight, ForcesLoss | None)] = ForcesLoss()
    stress: Annotated[StressLoss, BeforeValidator(_null_is_no_weight, StressLoss | None)] = StressLoss()

    @model_validator(mode="after")
    def _some_weight(self) -> Self:
        if self.energy.weight == self.forces.weight == self.stress.weight == 0:
            raise ValueError("the weights of energy, forces and stress are all zero; at least one must be positive")
        return self
