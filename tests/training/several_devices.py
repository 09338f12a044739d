"""Trains the runs of `cases.json` one after the other; started by `test_several_devices.py`, in one process or in two.

Writes of each run what its first step's gradient was, in each process.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))
import toy_family

import potentials.data.module
from potentials.config import parse_config
from potentials.data.batch import PackedBatches
from potentials.training.module import TrainingModule
from potentials.training.run import train

PROCESSES = int(sys.argv[1])


class UnionOfTwo(PackedBatches):
    """What two processes see in a step, in one batch."""

    def __iter__(self):
        for one, other in zip(*(self.share(rank) for rank in range(2)), strict=True):
            yield [*one, *other]

    def share(self, rank):
        part = PackedBatches(self.packing.sizes, self.packing.budget, self.seed, 2, rank)
        part.uses = self.uses
        part.set_epoch(self.epoch)
        return part

    def __len__(self):
        return len(self.share(0))


def union_of_two(graphs, limit, seed, processes=1, rank=0, repeats=None):
    uses = np.repeat(np.arange(len(graphs)), 1 if repeats is None else repeats)
    union = UnionOfTwo(limit.sizes(graphs)[uses], limit.most, seed)
    union.uses = None if repeats is None else uses
    return union


def run(case: dict, folder: Path) -> None:
    config = parse_config(case["config"], overrides=[f"run={folder}/run", *case["overrides"]])
    steps = []

    def take_note(self, optimizer):
        if not steps:
            parameters = {name: p for name, p in self.potential.named_parameters() if p.requires_grad}
            gradients = {name: parameter.grad.clone() for name, parameter in parameters.items()}
            torch.save(gradients, folder / f"gradient-{self.trainer.global_rank}.pt")
        steps.append(self.global_step)
        original(self, optimizer)

    original = TrainingModule.on_before_optimizer_step
    given = potentials.data.module.training_batches
    TrainingModule.on_before_optimizer_step = take_note
    if PROCESSES == 1 and case["packed"]:
        potentials.data.module.training_batches = union_of_two
    try:
        train(config, progress=False)
    finally:
        TrainingModule.on_before_optimizer_step = original
        potentials.data.module.training_batches = given
    (folder / f"steps-{os.environ.get('LOCAL_RANK', '0')}").write_text(str(len(steps)))


toy_family.register_toy()
for name, case in json.loads(Path("cases.json").read_text()).items():
    folder = Path(f"{name}-{PROCESSES}")
    folder.mkdir(exist_ok=True)
    run(case, folder)
