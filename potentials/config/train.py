"""The `train` section: optimizer, schedule, EMA, length of the run, devices and precision."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from potentials.config.base import (
    Duration,
    Fraction,
    KeyedError,
    NonNegativeNumber,
    PositiveInteger,
    PositiveNumber,
    StrictConfig,
)
from potentials.config.loss import LossConfig

Precision = Literal["float32", "float64", "mixed"]
NonfiniteRule = Literal["stop", "skip"]
Kernels = Literal["auto", "reference", "cpu", "gpu"]
"""`auto` depends on the device: compiled code on a CPU, Triton on an NVIDIA GPU, plain PyTorch elsewhere."""


class OptimizerConfig(StrictConfig):
    """The optimizer: Adam or AdamW."""

    name: Literal["adam", "adamw"] = "adam"
    """Name of the optimizer; `adamw` decouples weight decay from the gradient."""
    learning_rate: PositiveNumber = 0.01
    """Learning rate at the maximum of the schedule. With `start_from`, the default is 0.001."""
    amsgrad: bool = True
    """Normalize by the largest mean square of the gradient so far instead of the current one."""
    betas: list[Annotated[float, Field(ge=0, lt=1)]] = Field(default=[0.9, 0.999], min_length=2, max_length=2)
    """Decay rates of the running means of the gradient and of its square."""
    epsilon: PositiveNumber = 1e-8
    """Number added to the root mean square of the gradient. With a larger one, parameters with small gradients change
    less."""
    weight_decay: NonNegativeNumber = 0.0
    """Weight decay. It acts on linear mixing and product weights of the family, never on biases or radial networks."""


class ConstantSchedule(StrictConfig):
    """Constant learning rate."""

    name: Literal["constant"]
    """Name of the schedule."""
    warmup_epochs: NonNegativeNumber = 0.0
    """Epochs (a fraction is allowed) over which the learning rate rises linearly from zero."""


class PlateauSchedule(StrictConfig):
    """Multiply the learning rate by `factor` when the validation loss has not improved for `patience` validations."""

    name: Literal["plateau"]
    """Name of the schedule."""
    factor: Fraction = 0.8
    """Factor by which the learning rate is multiplied."""
    patience: PositiveInteger = 50
    """Validations without improvement before the learning rate is reduced."""
    minimum: NonNegativeNumber = 0.0
    """Lower bound of the learning rate."""
    warmup_epochs: NonNegativeNumber = 0.0
    """Epochs (a fraction is allowed) over which the learning rate rises linearly from zero."""


class CosineSchedule(StrictConfig):
    """Linear warm-up, then half a cosine down to `final_fraction` of the learning rate at `max_epochs`."""

    model_config = ConfigDict(json_schema_extra={"required": ["name"]})  # the default is for Python; YAML requires it

    name: Literal["cosine"] = "cosine"
    """Name of the schedule."""
    warmup_epochs: NonNegativeNumber = 1.0
    """Epochs (a fraction is allowed) over which the learning rate rises linearly from zero."""
    final_fraction: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Final learning rate, as a fraction of `optimizer.learning_rate`."""


Schedule = Annotated[ConstantSchedule | PlateauSchedule | CosineSchedule, Field(discriminator="name")]


class EMAConfig(StrictConfig):
    """Exponential moving average (EMA) of the weights, used for validation, the best model and the model file."""

    decay: Annotated[float, Field(gt=0, lt=1)] = 0.99
    """Decay per optimizer step. At step n, min(decay, (1 + n) / (10 + n)) is used, so that initial weights are
    forgotten."""


class SecondStage(StrictConfig):
    """Second stage of training with other loss weights and learning rate (MACE's "stage two")."""

    start: Annotated[PositiveInteger | Fraction, Field(union_mode="left_to_right")] = 0.75
    """Number of epochs before the stage starts, or fraction of `max_epochs`."""
    loss: LossConfig
    learning_rate: PositiveNumber | None = None
    """Constant learning rate of the stage; by default the schedule continues."""


class EarlyStopping(StrictConfig):
    """Stop when the validation loss has not improved for `patience` validations.

    If the second stage has not started yet, it starts instead.
    """

    patience: PositiveInteger = 100
    """Number of validations without improvement."""
    minimum_improvement: NonNegativeNumber = 0.0
    """Smallest decrease of the loss that counts as an improvement."""


Augmentation = Literal["auto", "rotations", "none"]
"""`auto` is `rotations` for a family whose symmetry under rotations is approximate, and `none` for all others."""


class TrainConfig(StrictConfig):
    """Settings of the training."""

    max_epochs: PositiveInteger = 200
    """Maximum number of epochs (passes through the training set). The schedule and the stages refer to it."""
    max_time: Duration | None = None
    """Time limit, such as `15m`: training stops cleanly when it is reached. The schedule still depends on epochs."""
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: Schedule = CosineSchedule()
    ema: EMAConfig | None = EMAConfig()
    second_stage: SecondStage | None = None
    gradient_clip: PositiveNumber | None = 10.0
    """Maximum gradient norm; larger gradients are scaled down to it. null: no clipping."""
    nonfinite_steps: NonfiniteRule = "stop"
    """What to do if the loss or gradient of a step is NaN or infinite: `stop` ends training before the weights change,
    `skip` ignores the step. In both cases the frames are reported and written to the folder of the run."""
    early_stopping: EarlyStopping | None = None
    validate_every: PositiveInteger = 1
    """Number of epochs between validations."""
    checkpoint_interval: Duration | None = timedelta(minutes=10)
    """Longest time between two checkpoints. Checkpoints are written at the end of each epoch, within an epoch after
    this time, and when the run is interrupted. null: none within an epoch."""
    augmentation: Augmentation = "auto"
    """`rotations` rotates and mirrors each training frame at random in each epoch, with its forces and stress. `auto`
    does so if the symmetry of the family is approximate (`ponita` with orientations, `nequip` with
    `parity: ignored`); for exactly symmetric families, `rotations` is an error."""
    precision: Precision = "float32"
    """`mixed` keeps geometry and sums in float64 and the model in float32."""
    kernels: Kernels = "auto"
    """Implementation of the operators: `cpu` is compiled code, `gpu` Triton on an NVIDIA GPU, `reference` plain
    PyTorch. `auto` chooses by device, or takes the value of POTENTIALS_KERNELS."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """Type of device; `auto` uses GPUs if there are any."""
    devices: Literal["auto"] | PositiveInteger = "auto"
    """Processes per node, one device each (passed to Lightning). `auto` is all GPUs, or one process on a CPU."""
    nodes: PositiveInteger = 1
    """Number of nodes (machines), with `devices` processes each."""
    strategy: str = "auto"
    """Lightning's strategy, such as `ddp`."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        found = {}
        if self.second_stage is not None and self.second_stage.start >= self.max_epochs:
            found["train.second_stage.start"] = (
                f"the second stage would start after {self.second_stage.start} epochs, but train.max_epochs is "
                f"{self.max_epochs}"
            )
        if self.schedule.warmup_epochs > self.max_epochs:
            found["train.schedule.warmup_epochs"] = (
                f"{self.schedule.warmup_epochs:g} epochs are more than train.max_epochs, {self.max_epochs}"
            )
        if self.max_time == timedelta():
            found["train.max_time"] = "the time limit is zero; use null for no limit"
        if found:
            raise KeyedError(found)
        return self
