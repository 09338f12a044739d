"""Linear maps of channels within each block, the same for all atoms or one per species."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from potentials.equivariant.layout import Irrep, Layout
from potentials.kernels import MixedBlock, MixingTable, block_mix


class SpeciesGroups(NamedTuple):
    """The atoms sorted by species, for maps with separate weights for each species."""

    species: Tensor
    """[N] int64, species index of each atom."""
    order: Tensor
    """[N] int64, indices of the atoms sorted by species."""
    counts: list[int]
    """Number of atoms of each species."""

    @classmethod
    def from_species(cls, species: Tensor, num_species: int) -> SpeciesGroups:
        """Sort atoms by species [N] int64; the order within a species is kept."""
        counts = torch.bincount(species, minlength=num_species).tolist()
        return cls(species, torch.argsort(species, stable=True), counts)

    @classmethod
    def one_each(cls, num_species: int, device: torch.device) -> SpeciesGroups:
        """Create groups of one row per species, for features that depend only on the species."""
        rows = torch.arange(num_species, device=device)
        return cls(rows, rows, [1] * num_species)


class BlockMixing(nn.Module):
    """Mix the channels (and paths) of each block: y_lmw = sum_u x_lmu W^l_uw / sqrt(fan-in).

    Block b of the input has `copies` copies of each component ([2l + 1, copies], m outermost), the output has one.
    Weights are initialized standard normal.

    Args:
        blocks: (irrep, copies) of the input, as `MessageCoupling.blocks`; copies are 1 for plain features.
        channels_in: channels of each copy.
        channels_out: channels of the output.
        outputs: requested blocks; other blocks of the input are dropped.
    """

    def __init__(
        self,
        blocks: Sequence[tuple[Irrep, int]],
        channels_in: int,
        channels_out: int,
        outputs: Layout | None = None,
    ) -> None:
        super().__init__()
        self.layout = Layout(irrep for irrep, _ in blocks if outputs is None or irrep in outputs)
        """Blocks of the output."""
        mixed, source, target = [], 0, 0
        for irrep, copies in blocks:
            if irrep in self.layout:
                mixed.append(MixedBlock(source, irrep.dim, copies, target))
                target += irrep.dim
            source += irrep.dim * copies
        self.table = MixingTable(tuple(mixed), source, target, channels_in, channels_out)
        self.weight = nn.Parameter(_random_weights(self.table, 1))

    @property
    def weights(self) -> list[Tensor]:
        """Return the matrix of each block as a view [copies * C, C'] of the parameter."""
        return self.table.matrices(self.weight[0])

    def forward(self, x: Tensor, factor: float = 1.0) -> Tensor:
        """Map [N, input components, channels_in] to [N, output components, channels_out] and multiply by `factor`."""
        return block_mix(self.table, x, self.weight, factor)


def _random_weights(table: MixingTable, num_species: int) -> Tensor:
    """Draw standard normal weights [S, K], block by block."""
    fan_in = [block.copies * table.channels_in for block in table.blocks]
    blocks = [torch.randn(num_species, rows, table.channels_out) for rows in fan_in]
    return torch.cat([block.flatten(1) for block in blocks], dim=1)


class SpeciesMixing(nn.Module):
    """Mix the channels of each block with one matrix per species: y_lmw = sum_u x_lmu W^l_zuw / sqrt(C S).

    This is e3nn's fully connected tensor product with one-hot species; the fan-in includes the zeros of the one-hot
    encoding.

    Args:
        layout: blocks of the input.
        outputs: blocks of the output; those that are not in the input are zero.
        channels_in: channels of the input.
        channels_out: channels of the output.
        num_species: number of species S.
    """

    def __init__(self, layout: Layout, outputs: Layout, channels_in: int, channels_out: int, num_species: int) -> None:
        super().__init__()
        self.table = table_between(layout, outputs, channels_in, channels_out)
        self.weight = nn.Parameter(_random_weights(self.table, num_species))

    @property
    def weights(self) -> list[Tensor]:
        """Return the matrices of each block as a view [S, C, C'] of the parameter."""
        return self.table.matrices(self.weight)

    def forward(self, x: Tensor, groups: SpeciesGroups) -> Tensor:
        """Map features [N, components, channels_in] to [N, output components, channels_out]."""
        return mix_by_species(self.table, x, self.weight, groups, self.weight.shape[0] ** -0.5)


def table_between(inputs: Layout, outputs: Layout, channels_in: int, channels_out: int) -> MixingTable:
    """Return the table that maps each input block to the equal output block; output blocks without input are zero."""
    sources = dict(zip(inputs, inputs.slices(), strict=True))
    blocks = tuple(
        MixedBlock(sources[irrep].start, irrep.dim, 1, target.start)
        for irrep, target in zip(outputs, outputs.slices(), strict=True)
        if irrep in sources
    )
    return MixingTable(blocks, inputs.dim, outputs.dim, channels_in, channels_out)


def mix_by_species(table: MixingTable, x: Tensor, weight: Tensor, groups: SpeciesGroups, factor: float = 1.0) -> Tensor:
    """Map each block of x [N, D, C] with the matrix of the atom's species, weights [S, K]; see `block_mix`."""
    return block_mix(table, x, weight, factor, groups.species, groups.order, groups.counts)
