"""Estimate of time and memory of a training run from a few batches; used by `check`."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from potentials.config.run import RunConfig
from potentials.data.batch import BatchLimit
from potentials.data.graph import GraphBatch, Graphs, collate
from potentials.data.module import GraphDataModule
from potentials.data.prepare import PreparedData
from potentials.errors import TrainingError
from potentials.potential import Potential
from potentials.setup.memory import peak_memory
from potentials.training.fine_tuning.starting import initial_potential
from potentials.training.losses import combine, loss_sums, property_weights
from potentials.training.optimizers import build_optimizer
from potentials.training.stages import stages

_TIMED_BATCHES = 5
_CANDIDATES = 1000
"""Number of frames searched for the largest batch, if frames are read on demand."""


@dataclass(frozen=True)
class Rehearsal:
    """Measurements on one process, and the estimate for the run."""

    parameters: int
    """Parameters that are trained."""
    frozen: int
    """Parameters that keep their values."""
    device: str
    frames: int
    """Frames, atoms and edges of the largest measured batch."""
    atoms: int
    edges: int
    loss: float
    """Loss on the first batch, before training."""
    first_step_seconds: float
    """Duration of the first step, which also compiles kernels."""
    step_seconds: float
    steps_per_epoch: int
    validation_seconds: float
    """Duration of one pass over the validation set."""
    peak_memory: int
    """Peak memory in bytes: allocated by torch on a GPU, size of this process otherwise."""
    epoch_seconds: float
    run_seconds: float
    """Estimate for the longest possible run: all epochs, or `max_time`."""


def rehearse(prepared: PreparedData) -> Rehearsal:
    """Run a few training steps and a validation batch with a new potential; nothing is written.

    One batch contains the training frames with the most edges: the largest possible one, or, with a limit in atoms or
    edges, one of about the largest size.

    Raises:
        TrainingError: the loss or its gradient is not finite, or a GPU is required and not available.
    """
    config = prepared.config
    device = _device(config)
    torch.manual_seed(config.seed)
    potential = initial_potential(config, prepared.reference_energies).to(device)
    module = GraphDataModule(prepared, potential.elements, potential.cutoff)
    largest = _largest_batch(module.train_graphs, module.training_limit)
    batches = [largest, *itertools.islice(module.train_dataloader(), _TIMED_BATCHES)]
    step = _training_step(potential, config, device)
    first_seconds, loss = _timed(step, batches[0], device)
    step_seconds = statistics.median(_timed(step, batch, device)[0] for batch in batches[1:])
    steps = len(module.train_dataloader())
    validation_seconds = _validation_seconds(potential, module, config, device)
    validations = 1 / config.train.validate_every
    epoch_seconds = steps * step_seconds + validations * validation_seconds
    run_seconds = config.train.max_epochs * epoch_seconds
    if config.train.max_time is not None:
        run_seconds = min(run_seconds, config.train.max_time.total_seconds())
    return Rehearsal(
        parameters=potential.num_parameters(),
        frozen=sum(p.numel() for p in potential.parameters() if not p.requires_grad),
        device=_describe(device),
        frames=batches[0].num_graphs,
        atoms=batches[0].num_nodes,
        edges=batches[0].edge_index.shape[1],
        loss=loss,
        first_step_seconds=first_seconds,
        step_seconds=step_seconds,
        steps_per_epoch=steps,
        validation_seconds=validation_seconds,
        peak_memory=peak_memory(device),
        epoch_seconds=epoch_seconds,
        run_seconds=run_seconds,
    )


def _device(config: RunConfig) -> torch.device:
    available = torch.cuda.is_available()
    if config.train.accelerator == "gpu" and not available:
        raise TrainingError("train.accelerator is gpu, but PyTorch finds no GPU; run `potentials doctor`")
    return torch.device("cuda" if available and config.train.accelerator != "cpu" else "cpu")


def _largest_batch(graphs: Graphs, limit: BatchLimit) -> GraphBatch:
    """Return the frames with the most edges, in total or per unit of the limit: whichever batch has more edges."""
    candidates = graphs.with_most_atoms(_CANDIDATES)
    sizes = np.maximum(limit.sizes(candidates), 1)
    atoms = np.array([graph.num_nodes for graph in candidates])
    edges = np.array([graph.edge_index.shape[1] for graph in candidates])
    fillings = [_filling(np.lexsort((atoms / taken, edges / taken))[::-1], sizes, limit.most) for taken in (1, sizes)]
    largest = max(fillings, key=lambda chosen: edges[chosen].sum())
    return collate([candidates[index] for index in largest])


def _filling(order: NDArray[np.int64], sizes: NDArray[np.int64], room: int) -> list[int]:
    """Return the first frames of an order that fit into a batch."""
    chosen = []
    for index in order.tolist():
        if sizes[index] <= room:
            chosen.append(index)
            room -= sizes[index]
    return chosen


def _describe(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads"


def _training_step(potential: Potential, config: RunConfig, device: torch.device) -> Callable[[GraphBatch], float]:
    """Return a function that makes an optimizer step of the most expensive stage and returns the loss."""
    optimizer = build_optimizer(potential, config.train.optimizer)
    stage = max(stages(config), key=lambda stage: (stage.needs_forces, stage.needs_stress))
    weights = property_weights(stage.loss).to(device)

    def step(batch: GraphBatch) -> float:
        potential.train()
        batch = batch.to(device)
        optimizer.zero_grad()
        prediction = potential(batch, forces=stage.needs_forces, stress=stage.needs_stress)
        loss = combine(*loss_sums(prediction, batch, stage.loss), weights)
        loss.backward()
        _check_finite(loss, potential)
        optimizer.step()
        return loss.item()

    return step


def _check_finite(loss: torch.Tensor, potential: Potential) -> None:
    if not torch.isfinite(loss):
        raise TrainingError(f"the loss before training is {loss.item()}; check the labels and their units")
    for name, parameter in potential.named_parameters():
        if parameter.grad is not None and not torch.isfinite(parameter.grad).all():
            raise TrainingError(
                f"the gradient of {name} is not finite; try train.precision=mixed, and check the warnings for "
                "overlapping atoms"
            )


def _timed(step: Callable[[GraphBatch], float], batch: GraphBatch, device: torch.device) -> tuple[float, float]:
    start = time.perf_counter()
    value = step(batch)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start, value


def _validation_seconds(
    potential: Potential, module: GraphDataModule, config: RunConfig, device: torch.device
) -> float:
    potential.eval()
    loader = module.val_dataloader()
    sections = config.data.sections()
    forces = any(section.forces is not None for section in sections)
    stress = any(section.stress is not None or section.virial is not None for section in sections)

    def evaluate(batch: GraphBatch) -> float:
        return potential(batch.to(device), forces=forces, stress=stress).energy.sum().item()

    batch = next(iter(loader))
    _timed(evaluate, batch, device)  # the first call compiles kernels
    return _timed(evaluate, batch, device)[0] * len(loader)
