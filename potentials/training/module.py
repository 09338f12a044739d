"""The Lightning module: one training step, one validation, the best model, and the state a continued run needs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor
from torch.optim import Optimizer

from potentials import model_file
from potentials.config.run import RunConfig
from potentials.data.graph import GraphBatch
from potentials.data.rotations import frame_rotations, rotated
from potentials.errors import TrainingError
from potentials.potential import Potential
from potentials.training.averaging import ExponentialMovingAverage
from potentials.training.losses import combine, loss_sums, property_weights
from potentials.training.metrics import ErrorSums, PropertyErrors
from potentials.training.optimizers import LearningRate, Patience, build_optimizer
from potentials.training.stages import Stage, stages

_STATE = "potentials"


@dataclass(frozen=True)
class Validation:
    """What one validation found."""

    epoch: float
    """Epochs trained so far; not whole when training was stopped within one."""
    step: int
    """Optimiser steps so far."""
    stage: int
    learning_rate: float
    training_loss: float
    """Mean over the steps since the last validation, with the weights as they were at each."""
    loss: float
    """Over all validation frames, with the loss of the present stage and the averaged weights."""
    errors: PropertyErrors
    is_best: bool


@dataclass(frozen=True)
class Best:
    """The best model so far."""

    epoch: float
    errors: PropertyErrors
    losses: list[float]
    """Its validation loss as each stage weighs it.

    That is why a change of stage needs no new start of the comparison: models of both stages are compared by the loss
    of the present one, which is the only one whose figures mean anything by then.
    """


class TrainingModule(LightningModule):
    """Trains a potential as the configuration says.

    Args:
        potential: to be trained in place.
        config: the resolved configuration.
        best_path: where the best model is written, with the averaged weights, whenever a validation finds a better one.
        metadata: goes into that file, next to epoch and validation errors.
        num_groups: number of configuration groups that the validation graphs number.
        say: tells the user what happens.
    """

    stage_weights: Tensor
    """[stages, 3], weights of energy, forces and stress."""

    def __init__(
        self,
        potential: Potential,
        config: RunConfig,
        best_path: Path,
        metadata: dict[str, Any] | None = None,
        num_groups: int = 1,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        super().__init__()
        self.potential = potential
        self.config = config
        self.best_path = best_path
        self.metadata = metadata or {}
        self.num_groups = num_groups
        self.say = say
        train = config.train
        self.stages = stages(config)
        weights = torch.stack([property_weights(stage.loss) for stage in self.stages])
        self.register_buffer("stage_weights", weights, persistent=False)
        self.stage = 0
        self.stage_requested = False
        self.learning_rate = LearningRate(train.schedule, train.optimizer.learning_rate, train.max_epochs)
        self.average = (
            None if train.average is None else ExponentialMovingAverage(potential.parameters(), train.average.decay)
        )
        early = train.early_stopping
        self.early_stopping = None if early is None else Patience(early.patience, early.minimum_improvement)
        self.stopped_early = False
        self.epochs_trained = 0.0
        """Not whole within an epoch."""
        self.best: Best | None = None
        self.validation: Validation | None = None
        """The latest."""
        self._training_sum: Tensor | None = None
        self._training_steps = 0
        self._validation_sums = torch.zeros(0)
        self._error_sums = ErrorSums(num_groups, len(potential.elements))
        labels = config.data
        self._validate_forces = labels.forces is not None
        self._validate_stress = labels.stress is not None or labels.virial is not None

    @property
    def present_stage(self) -> Stage:
        """The stage of the present epoch."""
        return self.stages[self.stage]

    @property
    def epoch_complete(self) -> bool:
        """Whether the epoch that was trained last went through all its batches."""
        return self.epochs_trained.is_integer()

    def configure_optimizers(self) -> Optimizer:
        """The optimiser; its learning rate is set before every step."""
        return build_optimizer(self.potential, self.config.train.optimizer)

    def on_fit_start(self) -> None:
        """Bring the averages to where the weights are."""
        if self.average is not None:
            self.average.to(self.device)

    def on_train_start(self) -> None:
        """Tell the learning rate how long an epoch is. A run that had already stopped early stays so."""
        self.learning_rate.steps_per_epoch = int(self.trainer.num_training_batches)
        self.trainer.should_stop = self.stopped_early

    def on_train_epoch_start(self) -> None:
        """Go on to the next stage when its time has come; make sure that the last epoch ends with a validation."""
        if self.stage + 1 < len(self.stages) and (
            self.stage_requested or self.current_epoch >= self.stages[self.stage + 1].first_epoch
        ):
            self._begin_next_stage()
        if self.current_epoch + 1 == self.config.train.max_epochs:
            self.trainer.check_val_every_n_epoch = 1

    def on_before_batch_transfer(self, batch: GraphBatch, dataloader_idx: int) -> GraphBatch:
        """Turn and mirror training frames where the configuration says so; here, as their numbers are still at hand."""
        if not self.trainer.training or self.config.train.augmentation != "rotations":
            return batch
        frames = batch.frame_index.tolist()
        return rotated(batch, frame_rotations(self.config.seed, self.current_epoch, frames))

    def training_step(self, batch: GraphBatch, batch_index: int) -> Tensor:
        """The loss of a batch, over all processes.

        With several processes the counts are those of the whole batch divided by their number, so that the mean of
        the processes' gradients is the gradient of the whole batch's loss, however the labels are distributed.
        """
        stage = self.present_stage
        prediction = self.potential(batch, forces=stage.needs_forces, stress=stage.needs_stress)
        sums, counts = loss_sums(prediction, batch, stage.loss)
        if self.trainer.world_size > 1:
            counts = self._add_up(counts) / self.trainer.world_size
            # `combine` lets a property without labels contribute zero by counting at least one entry.
            counts = counts.clamp(min=1.0 / self.trainer.world_size)
        loss = combine(sums, counts, self.stage_weights[self.stage])
        present = loss.detach()
        self._training_sum = present if self._training_sum is None else self._training_sum + present
        self._training_steps += 1
        self.epochs_trained = self.current_epoch + (batch_index + 1) / self.trainer.num_training_batches
        return loss

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Gradients of the parameters only; the geometry, which the forces come from, needs none."""
        loss.backward(inputs=[parameter for parameter in self.potential.parameters() if parameter.requires_grad])

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Set the learning rate of this step."""
        rate = self.learning_rate.at(self.global_step)
        for group in optimizer.param_groups:
            group["lr"] = rate

    def on_train_batch_end(self, outputs: Any, batch: GraphBatch, batch_index: int) -> None:
        """Take the new weights into the average."""
        if self.average is not None:
            self.average.update()

    def training_loss(self) -> float:
        """Mean training loss since the last validation, over all processes; NaN before the first step."""
        if self._training_sum is None:
            return math.nan
        return float(self._add_up(self._training_sum.clone())) / (self._training_steps * self.trainer.world_size)

    def local_training_loss(self) -> float:
        """The same over the batches of this process only, for which the others need not be asked."""
        return math.nan if self._training_sum is None else float(self._training_sum) / self._training_steps

    def on_validation_epoch_start(self) -> None:
        """Exchange the weights for their average."""
        if self._training_steps:
            self._check_finite("training", self.training_loss())
        if self.average is not None:
            self.average.swap()
        self._validation_sums = torch.zeros(len(self.stages), 2, 3, dtype=torch.float64, device=self.device)
        self._error_sums = ErrorSums(self.num_groups, len(self.potential.elements), self.device)

    def validation_step(self, batch: GraphBatch, batch_index: int) -> None:
        """Add the errors of a batch to the sums."""
        prediction = self.potential(batch, forces=self._validate_forces, stress=self._validate_stress)
        self._error_sums.update(prediction, batch)
        for index, stage in enumerate(self.stages):
            self._validation_sums[index] += torch.stack(loss_sums(prediction, batch, stage.loss)).detach()

    def on_validation_epoch_end(self) -> None:
        """Take note of the errors, write the model if it is the best so far, and put the trained weights back."""
        self._error_sums.reduce(self._add_up)
        all_sums = self._add_up(self._validation_sums)
        losses = [
            float(combine(sums, counts, weights))
            for weights, (sums, counts) in zip(self.stage_weights, all_sums, strict=True)
        ]
        loss = losses[self.stage]
        self._check_validation(loss, all_sums[self.stage, 1])
        is_best = self.best is None or loss < self.best.losses[self.stage]
        self.validation = Validation(
            epoch=self.epochs_trained,
            step=self.global_step,
            stage=self.stage,
            learning_rate=self.learning_rate.at(max(self.global_step - 1, 0)),
            training_loss=self.training_loss(),
            loss=loss,
            errors=self._error_sums.errors(),
            is_best=is_best,
        )
        if is_best:
            self.best = Best(self.validation.epoch, self.validation.errors, losses)
            self._write_best(self.validation)
        if self.average is not None:
            self.average.swap()
        self._training_sum, self._training_steps = None, 0
        self.learning_rate.observe(loss)
        self._consider_stopping(loss)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what Lightning does not know of."""
        checkpoint[_STATE] = {
            "stage": self.stage,
            "stage_requested": self.stage_requested,
            "learning_rate": self.learning_rate.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "early_stopping": None if self.early_stopping is None else self.early_stopping.state_dict(),
            "stopped_early": self.stopped_early,
            "best": None if self.best is None else asdict(self.best),
            "epochs_trained": self.epochs_trained,
            "training_sum": self._training_sum,
            "training_steps": self._training_steps,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take it up again."""
        state = checkpoint[_STATE]
        self.stage, self.stage_requested = state["stage"], state["stage_requested"]
        self.learning_rate.load_state_dict(state["learning_rate"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        if self.early_stopping is not None and state["early_stopping"] is not None:
            self.early_stopping.load_state_dict(state["early_stopping"])
        self.stopped_early = state["stopped_early"]
        best = state["best"]
        self.best = best and Best(best["epoch"], PropertyErrors.from_dict(best["errors"]), best["losses"])
        self.epochs_trained = state["epochs_trained"]
        self._training_sum, self._training_steps = state["training_sum"], state["training_steps"]

    def _begin_next_stage(self) -> None:
        self.stage += 1
        self.stage_requested = False
        self.learning_rate.new_stage(self.present_stage.learning_rate)
        if self.early_stopping is not None:
            self.early_stopping.reset()
        if self.trainer.is_global_zero:
            energy, forces, stress = self.stage_weights[self.stage].tolist()
            self.say(
                f"stage {self.stage + 1} begins with epoch {self.current_epoch + 1}: "
                f"loss weights energy {energy:g}, forces {forces:g}, stress {stress:g}"
            )

    def _consider_stopping(self, loss: float) -> None:
        """Without improvement for long enough, go on to the next stage, or stop if there is none."""
        if self.early_stopping is None or not self.early_stopping.exhausted_by(loss):
            return
        if self.stage + 1 < len(self.stages):
            self.stage_requested = True
        else:
            self.stopped_early = True
            self.trainer.should_stop = True

    def _write_best(self, validation: Validation) -> None:
        if not self.trainer.is_global_zero:
            return
        self.potential.metadata = {
            **self.metadata,
            "epoch": validation.epoch,
            "step": validation.step,
            "validation_loss": validation.loss,
            "validation_errors": asdict(validation.errors),
        }
        model_file.save(self.potential, self.best_path)

    def _check_validation(self, loss: float, counts: Tensor) -> None:
        """Make sure that the validation loss is one that models can be compared by."""
        self._check_finite("validation", loss)
        if not bool((self.stage_weights[self.stage] * counts).any()):
            raise TrainingError(
                "the validation frames have no label of any property that the loss weighs, so that no model is better "
                "than another; give other validation frames (data.validation)"
            )

    def _check_finite(self, part: str, loss: float) -> None:
        if not math.isfinite(loss):
            kept = f"The best model so far, of epoch {self.best.epoch:g}, is {self.best_path}. " if self.best else ""
            raise TrainingError(
                f"the {part} loss became {loss} in epoch {self.current_epoch + 1}; training stopped. {kept}"
                "Lower train.optimizer.learning_rate or train.gradient_clip, or give the schedule a longer warm-up; "
                "if it happens in the first epoch, look for frames with enormous forces (`potentials check`)"
            )

    def _add_up(self, tensor: Tensor) -> Tensor:
        """The sum of a tensor over all processes."""
        if self.trainer.world_size == 1:
            return tensor
        return torch.as_tensor(self.trainer.strategy.reduce(tensor, reduce_op="sum"))
