"""Blocks of atoms of one species, each summed by one worker."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_BLOCK = 64
"""Atoms per block; fixed, so that sums do not depend on the number of workers."""


class SpeciesBlocks(NamedTuple):
    """Ranges in the list of atoms sorted by species."""

    bounds: Tensor
    """[blocks, 2] int64, first position and end of each block."""
    owners: list[int]
    """Species of each block, ascending."""

    @classmethod
    def of(cls, species: Tensor, num_species: int) -> SpeciesBlocks:
        """Divide atoms of these species into blocks."""
        bounds: list[tuple[int, int]] = []
        owners = []
        start = 0
        for number, count in enumerate(torch.bincount(species, minlength=num_species).tolist()):
            for first in range(start, start + count, _BLOCK):
                bounds.append((first, min(first + _BLOCK, start + count)))
                owners.append(number)
            start += count
        return cls(torch.tensor(bounds, dtype=torch.int64, device=species.device).view(-1, 2), owners)

    def sum(self, partial: Tensor, num_species: int) -> Tensor:
        """Add up the sums of the blocks [blocks, ...] for each species [S, ...], in order."""
        if self.owners == list(range(num_species)):
            return partial
        sums = [partial.new_zeros(partial.shape[1:]) for _ in range(num_species)]
        for block, owner in zip(partial, self.owners, strict=True):
            sums[owner] = sums[owner] + block
        return torch.stack(sums)
