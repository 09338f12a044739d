"""Lightning module of a run: training step, validation, best model, and the state needed to continue."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor
from torch.optim import Optimizer

from potentials.config.run import RunConfig
from potentials.data.graph import GraphBatch, frame_rotations, rotated
from potentials.evaluation.metrics import ErrorSums
from potentials.files import write_whole
from potentials.potential import Potential, model_file
from potentials.training.averaging import ExponentialMovingAverage
from potentials.training.fine_tuning.low_rank import merged
from potentials.training.loss_checks import check_training_loss, check_validation_loss
from potentials.training.losses import combine, loss_sums, loss_terms, property_weights, weighed_labels
from potentials.training.memory_errors import BatchRecord
from potentials.training.optimizers import LearningRate, Patience, build_optimizer
from potentials.training.stages import Stage, stages
from potentials.training.step_figures import PROPERTIES, RecentParts, StepFigures
from potentials.training.step_guard import FrameLoss, StepGuard, frame_losses
from potentials.training.validations import Best, Validation

STATE = "potentials"
"""Key in a checkpoint for the state that Lightning does not save."""
CHECKPOINT_VERSION = 1


class TrainingModule(LightningModule):
    """Lightning module that trains a potential.

    Args:
        potential: trained in place.
        config: the resolved configuration.
        best_path: file of the best model, written with the averaged weights whenever the validation loss improves.
        metadata: written to that file with the epoch and validation errors.
        num_groups: number of configuration groups of the validation graphs.
        head_groups: numbers of the groups of each head, if there are several.
        say: callback for progress messages.
        guard: checks each step before the weights are updated; without it, every step is taken.
        known_best: the model at `best_path`, if it is newer than the checkpoint.
        penalty: a function of the weights that is added to the training loss.
    """

    stage_weights: Tensor
    """[stages, 3], weights of energy, forces and stress in each stage."""

    def __init__(
        self,
        potential: Potential,
        config: RunConfig,
        best_path: Path,
        metadata: dict[str, Any] | None = None,
        num_groups: int = 1,
        head_groups: Mapping[str, Sequence[int]] = MappingProxyType({}),
        say: Callable[[str], None] = lambda text: None,
        guard: StepGuard | None = None,
        known_best: Best | None = None,
        penalty: Callable[[], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.potential = potential
        self.config = config
        self.best_path = best_path
        self.metadata = metadata or {}
        self.num_groups = num_groups
        self.head_groups = head_groups
        self.say = say
        self.guard = guard
        self.known_best = known_best
        self.penalty = penalty
        self.batch_record = BatchRecord()
        train = config.train
        self.stages = stages(config)
        weights = torch.stack([property_weights(stage.loss) for stage in self.stages])
        self.register_buffer("stage_weights", weights, persistent=False)
        self.stage = 0
        self.stage_requested = False
        self.learning_rate = LearningRate(train.schedule, train.optimizer.learning_rate, train.max_epochs)
        self.ema = None if train.ema is None else ExponentialMovingAverage(potential.parameters(), train.ema.decay)
        early = train.early_stopping
        self.early_stopping = None if early is None else Patience(early.patience, early.minimum_improvement)
        self.stopped_early = False
        self.epochs_trained = 0.0
        """Epochs trained so far; fractional within an epoch."""
        self.best: Best | None = None
        self.validation: Validation | None = None
        """The latest validation."""
        self.validated_step = 0
        """Optimizer steps done at the latest validation."""
        self.frames_trained = 0
        """Frames trained by this process since it started."""
        self.recent_parts = RecentParts()
        """Loss terms, for the progress display."""
        self._step_loss = torch.zeros(())
        self._step_parts = torch.zeros(len(PROPERTIES), dtype=torch.float64)
        self._step_norm = torch.zeros((), dtype=torch.float64)
        self._takes_step = True
        self._batch: GraphBatch | None = None
        self._training_sum: Tensor | None = None
        self._training_steps = 0
        self._validation_sums = torch.zeros(0)
        self._validation_labels = torch.zeros(0)
        self._error_sums = ErrorSums(num_groups, len(potential.elements))
        labels = config.data.sections()
        self._validate_forces = any(section.forces is not None for section in labels)
        self._validate_stress = any(section.stress is not None or section.virial is not None for section in labels)

    @property
    def present_stage(self) -> Stage:
        """The training stage of the current epoch."""
        return self.stages[self.stage]

    def configure_optimizers(self) -> Optimizer:
        """Return the optimizer; its learning rate is set before every step."""
        return build_optimizer(self.potential, self.config.train.optimizer)

    def on_fit_start(self) -> None:
        """Move the averages to the device of the weights."""
        if self.ema is not None:
            self.ema.to(self.device)

    def on_train_start(self) -> None:
        """Set the steps per epoch of the learning rate schedule. A run that had already stopped early stays stopped."""
        self.learning_rate.steps_per_epoch = int(self.trainer.num_training_batches)
        self.trainer.should_stop = self.stopped_early
        # Also needed here, because Lightning calls no hook for an epoch that is continued.
        self._validate_after_last_epoch()

    def on_train_epoch_start(self) -> None:
        """Start the next stage if it is due, and make sure that the last epoch ends with a validation."""
        if self.stage + 1 < len(self.stages) and (
            self.stage_requested or self.current_epoch >= self.stages[self.stage + 1].first_epoch
        ):
            self._begin_next_stage()
        self._validate_after_last_epoch()

    def on_before_batch_transfer(self, batch: GraphBatch, dataloader_idx: int) -> GraphBatch:
        """Rotate and mirror training frames if configured, before the transfer, while frame numbers are on the CPU."""
        if not self.trainer.training or self.config.train.augmentation != "rotations":
            return batch
        frames = batch.frame_index.tolist()
        return rotated(batch, frame_rotations(self.config.seed, self.current_epoch, frames))

    def training_step(self, batch: GraphBatch, batch_index: int) -> Tensor:
        """Return the loss of a batch, over all processes.

        With several processes the counts are those of the global batch divided by the number of processes, so that the
        mean gradient over processes is the gradient of the loss of the global batch for any distribution of labels.
        """
        self.batch_record.begin(batch, validating=False)
        self._batch = batch
        sums, counts = self._loss_sums(batch)
        if self.trainer.world_size > 1:
            counts = self._add_up(counts) / self.trainer.world_size
        parts = loss_terms(sums, counts, self.stage_weights[self.stage])
        loss = parts.sum() if self.penalty is None else parts.sum() + self.penalty()
        self._step_loss, self._step_parts = loss.detach(), parts.detach()
        self.epochs_trained = self.current_epoch + (batch_index + 1) / self.trainer.num_training_batches
        return loss

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Compute gradients of the parameters only, not of the geometry."""
        loss.backward(inputs=[parameter for parameter in self.potential.parameters() if parameter.requires_grad])

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Set the learning rate of the current step."""
        rate = self.learning_rate.at(self.global_step)
        for group in optimizer.param_groups:
            group["lr"] = rate

    def configure_gradient_clipping(
        self, optimizer: Optimizer, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Check the gradient, which may cause the step to be skipped, then limit its norm."""
        parameters = [parameter for parameter in self.potential.parameters() if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm([parameter.grad for parameter in parameters if parameter.grad is not None])
        self._step_norm = norm.to(torch.float64)
        self._takes_step = self.guard is None or self._is_usable(self.guard, norm)
        if not self._takes_step:
            optimizer.zero_grad(set_to_none=True)
        elif gradient_clip_val is not None:
            torch.nn.utils.clip_grads_with_norm_(parameters, gradient_clip_val, norm)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Update the weights and their averages; the optimizer skips parameters without gradients."""
        super().optimizer_step(*args, **kwargs)
        self.batch_record.fitted()
        self.frames_trained += self._batch.num_graphs if self._batch is not None else 0
        if not self._takes_step:
            return
        if self.ema is not None:
            self.ema.update()
        loss = self._step_loss
        self._training_sum = loss if self._training_sum is None else self._training_sum + loss
        self._training_steps += 1
        self.recent_parts.add(self._step_parts)

    def training_loss(self) -> float:
        """Return the mean training loss since the last validation, over all processes; NaN before the first step."""
        if self._training_sum is None:
            return math.nan
        return float(self._add_up(self._training_sum.clone())) / (self._training_steps * self.trainer.world_size)

    def step_figures(self) -> StepFigures:
        """Return the metrics of the latest step over all processes; all must call this. Waits for the device."""
        frames = self._step_parts.new_tensor([self.frames_trained])
        *sums, frames_sum = self._add_up(torch.cat([self._step_parts, self._step_norm.reshape(1), frames])).tolist()
        *parts, norm = [value / self.trainer.world_size for value in sums]
        return StepFigures(
            epoch=self.epochs_trained,
            step=self.global_step,
            learning_rate=self.learning_rate.at(max(self.global_step - 1, 0)),
            loss_terms=dict(zip(PROPERTIES, parts, strict=True)),
            gradient_norm=norm,
            frames=round(frames_sum),
        )

    def on_validation_epoch_start(self) -> None:
        """Exchange the weights for their averages."""
        if self._training_steps:
            check_training_loss(self.training_loss(), self._training_steps, self.epochs_trained, self._place())
        if self.ema is not None:
            self.ema.swap()
        self._validation_sums = torch.zeros(len(self.stages), 2, 3, dtype=torch.float64, device=self.device)
        self._validation_labels = torch.zeros(3, dtype=torch.float64, device=self.device)
        self._error_sums = ErrorSums(self.num_groups, len(self.potential.elements), self.device)

    def validation_step(self, batch: GraphBatch, batch_index: int) -> None:
        """Add the errors of a batch to the sums."""
        self.batch_record.begin(batch, validating=True)
        prediction = self.potential(batch, forces=self._validate_forces, stress=self._validate_stress)
        self._error_sums.update(prediction, batch)
        self._validation_labels += weighed_labels(batch)
        for index, stage in enumerate(self.stages):
            self._validation_sums[index] += torch.stack(loss_sums(prediction, batch, stage.loss)).detach()
        self.batch_record.fitted()

    def on_validation_epoch_end(self) -> None:
        """Compute validation errors, write the model if it is the best so far, and restore the training weights."""
        self._error_sums.reduce(self._add_up)
        all_sums = self._add_up(self._validation_sums)
        losses = [
            float(combine(sums, counts, weights))
            for weights, (sums, counts) in zip(self.stage_weights, all_sums, strict=True)
        ]
        loss = losses[self.stage]
        check_validation_loss(loss, self._add_up(self._validation_labels), self.stage_weights, self._place())
        is_best = self.best is None or loss < self.best.losses[self.stage]
        self.validation = Validation(
            epoch=self.epochs_trained,
            step=self.global_step,
            stage=self.stage,
            learning_rate=self.learning_rate.at(max(self.global_step - 1, 0)),
            training_loss=self.training_loss(),
            loss=loss,
            errors=self._error_sums.errors(),
            errors_of_heads=self._error_sums.head_errors(self.head_groups),
            is_best=is_best,
        )
        if is_best:
            self.best = Best(self.validation.epoch, self.validation.errors, losses)
            self._write_best(self.validation, losses)
        self.validated_step = self.global_step
        if self.ema is not None:
            self.ema.swap()
        self._training_sum, self._training_steps = None, 0
        self.recent_parts.clear()
        self.learning_rate.observe(loss)
        self._consider_stopping(loss)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the state that Lightning does not save."""
        checkpoint[STATE] = {
            "version": CHECKPOINT_VERSION,
            "stage": self.stage,
            "stage_requested": self.stage_requested,
            "learning_rate": self.learning_rate.state_dict(),
            "ema": None if self.ema is None else self.ema.state_dict(),
            "early_stopping": None if self.early_stopping is None else self.early_stopping.state_dict(),
            "stopped_early": self.stopped_early,
            "best": None if self.best is None else asdict(self.best),
            "epochs_trained": self.epochs_trained,
            # The mean over all processes; only the first one writes its checkpoint.
            "training_sum": None
            if self._training_sum is None
            else self._add_up(self._training_sum.clone()) / self.trainer.world_size,
            "training_steps": self._training_steps,
            "validated_step": self.validated_step,
            "guard": None if self.guard is None else self.guard.state_dict(),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the state added by `on_save_checkpoint`."""
        state = checkpoint[STATE]
        self.stage, self.stage_requested = state["stage"], state["stage_requested"]
        self.learning_rate.load_state_dict(state["learning_rate"])
        if self.ema is not None:
            self.ema.load_state_dict(state["ema"])
        if self.early_stopping is not None and state["early_stopping"] is not None:
            self.early_stopping.load_state_dict(state["early_stopping"])
        self.stopped_early = state["stopped_early"]
        best = state["best"]
        self.best = best and Best.from_dict(best)
        if self.known_best is not None and (self.best is None or self.known_best.epoch > self.best.epoch):
            self.best = self.known_best
        self.validated_step = state["validated_step"]
        if self.guard is not None and state["guard"] is not None:
            self.guard.load_state_dict(state["guard"])
        self.epochs_trained = state["epochs_trained"]
        self._training_sum, self._training_steps = state["training_sum"], state["training_steps"]

    def _loss_sums(self, batch: GraphBatch) -> tuple[Tensor, Tensor]:
        """Return sums and counts of the errors of a batch, with the loss of the current stage."""
        stage = self.present_stage
        prediction = self.potential(batch, forces=stage.needs_forces, stress=stage.needs_stress)
        return loss_sums(prediction, batch, stage.loss)

    def _is_usable(self, guard: StepGuard, norm: Tensor) -> bool:
        """Return whether loss and gradient of the step are finite, and warn of loss spikes. Waits for the device."""
        # All processes use the same mean loss, so that they reach the same decision.
        mean = self._add_up(self._step_loss.clone()) / self.trainer.world_size
        loss, gradient = torch.stack([mean.to(torch.float64), norm.to(torch.float64)]).tolist()
        step = self.global_step + 1
        if math.isfinite(loss) and math.isfinite(gradient):
            guard.skipped = 0
            if guard.is_spike(loss, self.current_epoch):
                guard.warn_of_spike(loss, step, self._frame_losses())
            return True
        what = f"the loss became {loss}" if not math.isfinite(loss) else f"the gradient norm became {gradient}"
        guard.handle_nonfinite(f"{what} in epoch {self.current_epoch + 1},", step, self._frame_losses(), self._kept())
        return False

    def _frame_losses(self) -> list[FrameLoss]:
        """Return the losses of all frames in the batch of this step, over all processes."""

        def loss_of(batch: GraphBatch) -> Tensor:
            return combine(*self._loss_sums(batch), self.stage_weights[self.stage])

        parameters = [parameter for parameter in self.potential.parameters() if parameter.requires_grad]
        mine = frame_losses(self._batch, loss_of, parameters)
        if self.trainer.world_size == 1:
            return mine
        of_all: list[list[FrameLoss]] = [[] for _ in range(self.trainer.world_size)]
        torch.distributed.all_gather_object(of_all, mine)
        return [frame for of_one in of_all for frame in of_one]

    def _validate_after_last_epoch(self) -> None:
        if self.current_epoch + 1 == self.config.train.max_epochs:
            self.trainer.check_val_every_n_epoch = 1

    def _begin_next_stage(self) -> None:
        self.stage += 1
        self.stage_requested = False
        self.learning_rate.new_stage(self.present_stage.learning_rate)
        if self.early_stopping is not None:
            self.early_stopping.reset()
        if self.guard is not None:
            self.guard.begin_stage()
        if self.trainer.is_global_zero:
            energy, forces, stress = self.stage_weights[self.stage].tolist()
            self.say(
                f"stage {self.stage + 1} starts at epoch {self.current_epoch + 1}: "
                f"loss weights energy {energy:g}, forces {forces:g}, stress {stress:g}"
            )

    def _consider_stopping(self, loss: float) -> None:
        """Go to the next stage, or stop after the last one, if the validation loss stopped improving."""
        if self.early_stopping is None or not self.early_stopping.exhausted_by(loss):
            return
        if self.stage + 1 < len(self.stages):
            self.stage_requested = True
        else:
            self.stopped_early = True
            self.trainer.should_stop = True

    def _write_best(self, validation: Validation, losses: list[float]) -> None:
        if not self.trainer.is_global_zero:
            return
        self.potential.metadata = {
            **self.metadata,
            "epoch": validation.epoch,
            "step": validation.step,
            "validation_loss": validation.loss,
            "validation_losses": losses,
            "validation_errors": asdict(validation.errors),
        }
        write_whole(self.best_path, model_file.serialize(merged(self.potential)))

    def _place(self) -> str:
        return f"epoch {self.current_epoch + 1}; training stopped. {self._kept()}"

    def _kept(self) -> str:
        return f"Best model so far: epoch {self.best.epoch:g}, {self.best_path}. " if self.best else ""

    def _add_up(self, tensor: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes."""
        if self.trainer.world_size == 1:
            return tensor
        return torch.as_tensor(self.trainer.strategy.reduce(tensor, reduce_op="sum"))
