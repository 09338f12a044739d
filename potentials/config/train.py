"""The `train` section: optimizer, schedule, averaging, length of the run, devices and precision."""

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
"""`auto` goes by the device: compiled code on a CPU, Triton on an NVIDIA GPU, plain PyTorch elsewhere."""


class OptimizerConfig(StrictConfig):
    """Adam or AdamW."""

    name: Literal["adam", "adamw"] = "adam"
    """Which of them; they differ in how weight decay acts."""
    learning_rate: PositiveNumber = 0.01
    """Size of the steps, at the top of the schedule."""
    amsgrad: bool = True
    """Divide by the largest mean square of the gradient so far, instead of the present one."""
    betas: list[Annotated[float, Field(ge=0, lt=1)]] = Field(default=[0.9, 0.999], min_length=2, max_length=2)
    """Decay of the running means of the gradient and of its square."""
    weight_decay: NonNegativeNumber = 0.0
    """Acts only on the weights the family names for it: its linear mixing and products, never biases or
    radial networks."""


class ConstantSchedule(StrictConfig):
    """The learning rate stays."""

    name: Literal["constant"]
    """Which schedule."""
    warmup_epochs: NonNegativeNumber = 0.0
    """Epochs (a fraction is allowed) over which the rate rises linearly from zero."""


class PlateauSchedule(StrictConfig):
    """The learning rate falls by `factor` when the validation loss has not improved for `patience` validations."""

    name: Literal["plateau"]
    """Which schedule."""
    factor: Fraction = 0.8
    """By which the rate is multiplied each time."""
    patience: PositiveInteger = 50
    """Validations without improvement before it falls."""
    minimum: NonNegativeNumber = 0.0
    """The rate does not fall below this."""
    warmup_epochs: NonNegativeNumber = 0.0
    """Epochs (a fraction is allowed) over which the rate rises linearly from zero."""


class CosineSchedule(StrictConfig):
    """Linear warm-up, then half a cosine down to `final_fraction` of the learning rate at `max_epochs`."""

    model_config = ConfigDict(json_schema_extra={"required": ["name"]})  # the default is for Python; YAML must say it

    name: Literal["cosine"] = "cosine"
    """Which schedule."""
    warmup_epochs: NonNegativeNumber = 1.0
    """Epochs (a fraction is allowed) over which the rate rises linearly from zero."""
    final_fraction: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Share of the learning rate that is left at the end."""


Schedule = Annotated[ConstantSchedule | PlateauSchedule | CosineSchedule, Field(discriminator="name")]


class AveragingConfig(StrictConfig):
    """Exponential moving average of the weights, used for validation, the best model and the exported file."""

    decay: Annotated[float, Field(gt=0, lt=1)] = 0.99
    """Per optimizer step; early on min(decay, (1 + n) / (10 + n)) is used, so that the start is forgotten."""


class SecondStage(StrictConfig):
    """The last part of training, with other loss weights and learning rate (MACE's "stage two")."""

    start: Annotated[PositiveInteger | Fraction, Field(union_mode="left_to_right")] = 0.75
    """Epoch at which it starts, or the fraction of `max_epochs`."""
    loss: LossConfig
    learning_rate: PositiveNumber | None = None
    """New learning rate, kept constant; without it the schedule goes on."""


class EarlyStopping(StrictConfig):
    """Stop when the validation loss has not improved for `patience` validations.

    Where a second stage is still to come, it begins instead.
    """

    patience: PositiveInteger = 100
    """Validations without improvement."""
    minimum_improvement: NonNegativeNumber = 0.0
    """By how much the loss has to fall to count as improved."""


Augmentation = Literal["auto", "rotations", "none"]
"""`auto` is `rotations` for a family whose symmetry under rotations is approximate, and `none` for all others."""


class TrainConfig(StrictConfig):
    """How the model is trained."""

    max_epochs: PositiveInteger = 200
    """Passes through the training frames; schedule and stages count them."""
    max_time: Duration | None = None
    """Stop cleanly after this time, such as `15m`; the schedule still counts epochs."""
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: Schedule = CosineSchedule()
    average: AveragingConfig | None = AveragingConfig()
    second_stage: SecondStage | None = None
    gradient_clip: PositiveNumber | None = 10.0
    """Largest norm of the whole gradient."""
    nonfinite_steps: NonfiniteRule = "stop"
    """A step whose loss or gradient is NaN or infinite: `stop` ends training before the weights are changed, `skip`
    goes on without it. Its frames are named and written into the run's folder either way."""
    early_stopping: EarlyStopping | None = None
    validate_every: PositiveInteger = 1
    """Epochs between validations."""
    checkpoint_interval: Duration | None = timedelta(minutes=10)
    """The longest time between two checkpoints. One is written at the end of each epoch, and within it after this time;
    null: at the ends of epochs only, and when the run is interrupted."""
    augmentation: Augmentation = "auto"
    """`rotations` turns and mirrors each training frame at random, anew in each epoch, with its forces and stress.
    `auto` does so where the family's symmetry is approximate (`ponita` with orientations); others gain nothing."""
    precision: Precision = "float32"
    """`mixed` keeps geometry and sums in float64 and the model in float32."""
    kernels: Kernels = "auto"
    """`auto` is compiled code on a CPU (`cpu`), Triton on an NVIDIA GPU (`gpu`) and plain PyTorch elsewhere
    (`reference`), or what POTENTIALS_KERNELS says."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """Kind of device; `auto` takes GPUs where there are any."""
    devices: Literal["auto"] | PositiveInteger = "auto"
    """Processes per node, one device each, handed to Lightning; on CPU `auto` is one."""
    nodes: PositiveInteger = 1
    """Machines, with `devices` processes on each."""
    strategy: str = "auto"
    """Lightning's strategy, such as `ddp`."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        found = {}
        if self.second_stage is not None and self.second_stage.start >= self.max_epochs:
            found["train.second_stage.start"] = (
                f"epoch {self.second_stage.start} never comes, as train.max_epochs is {self.max_epochs}"
            )
        if self.schedule.warmup_epochs > self.max_epochs:
            found["train.schedule.warmup_epochs"] = (
                f"{self.schedule.warmup_epochs:g} epochs are more than train.max_epochs, {self.max_epochs}"
            )
        if self.max_time == timedelta():
            found["train.max_time"] = "no time at all; null sets no limit"
        if found:
            raise KeyedError(found)
        return self
