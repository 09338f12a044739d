"""A small many-body product for testing GPU kernels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from potentials.kernels.many_body.table import ManyBodyTable
from potentials.kernels.trials import random_numbers


def small_problem(table: ManyBodyTable, A: Tensor, rest: tuple[Any, ...]) -> list[Any]:
    """Create arguments of a small call with the same table: 5 atoms of two of three species."""
    random, channels, device = random_numbers(A.device), A.shape[2], A.device
    species = torch.tensor([2, 0, 0, 2, 0], device=device)
    shapes = [(5, table.components, channels), (3, table.num_terms, channels)]
    a, k = (random(*shape) for shape in shapes)
    further = [random(5, table.outputs, channels), random(*shapes[0])]
    numbers = [a, k, species, torch.argsort(species, stable=True), *further]
    return [entry if isinstance(entry, str) else numbers[place] for place, entry in enumerate((A, *rest))]
