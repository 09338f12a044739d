"""Linear maps of channels within each block, the same for all atoms or one per species."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from potentials.equivariant.layout import Blocks, Irrep, Layout
from potentials.errors import LayoutError
from potentials.kernels import MixedBlock, MixingTable, block_mix

_EVEN_SCALAR = Irrep(0, 1)


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

    Block b of the input has `copies` copies of each component ([2l + 1, copies], m outermost), the output has one
    unless `outputs` states more. Weights are initialized standard normal.

    Args:
        blocks: (irrep, copies) of the input, as `MessageCoupling.blocks`; copies are 1 for plain features.
        channels_in: channels of each copy.
        channels_out: channels of the output.
        outputs: requested blocks; other blocks of the input are dropped.
        bias: whether a learned number is added to each channel of the even scalars, initially 0.
    """

    def __init__(
        self,
        blocks: Sequence[tuple[Irrep, int]],
        channels_in: int,
        channels_out: int,
        outputs: Layout | Blocks | None = None,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.layout = Layout(irrep for irrep, _ in blocks if outputs is None or irrep in Blocks.of(outputs).layout)
        """Irreps of the output."""
        targets = Blocks.of(self.layout if outputs is None else outputs)
        targets = Blocks((irrep, targets.copies(irrep)) for irrep in self.layout)
        self.table = table_between(Blocks(blocks), targets, channels_in, channels_out)
        self.weight = nn.Parameter(_random_weights(self.table, 1))
        scalars = targets.slices()[self.layout.index(_EVEN_SCALAR)] if bias and _EVEN_SCALAR in self.layout else None
        self._below = 0 if scalars is None else self.table.outputs - scalars.stop
        self.bias = None if scalars is None else nn.Parameter(torch.zeros(scalars.stop - scalars.start, channels_out))
        if scalars is not None and scalars.start:
            raise LayoutError(f"expected even scalars (0e) as the first block, which have a bias; got {self.layout}")

    @property
    def weights(self) -> list[Tensor]:
        """Return the matrix of each block as a view [copies * C, C'] of the parameter."""
        return self.table.matrices(self.weight[0])

    def forward(self, x: Tensor, factor: float = 1.0) -> Tensor:
        """Map [N, input components, channels_in] to [N, output components, channels_out] and multiply by `factor`."""
        mapped = block_mix(self.table, x, self.weight, factor)
        if self.bias is None:
            return mapped
        return mapped + nn.functional.pad(factor * self.bias, (0, 0, 0, self._below))


def _random_weights(table: MixingTable, num_species: int) -> Tensor:
    """Draw standard normal weights [S, K], block by block."""
    shapes = [(block.copies * table.channels_in, block.copies_out * table.channels_out) for block in table.blocks]
    blocks = [torch.randn(num_species, *shape) for shape in shapes]
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


def table_between(
    inputs: Layout | Blocks, outputs: Layout | Blocks, channels_in: int, channels_out: int
) -> MixingTable:
    """Return the table that maps each input block to the equal output block; output blocks without input are zero."""
    inputs, outputs = Blocks.of(inputs), Blocks.of(outputs)
    blocks = tuple(
        MixedBlock(inputs.slice_of(irrep).start, irrep.dim, inputs.copies(irrep), target.start, copies)
        for (irrep, copies), target in zip(outputs, outputs.slices(), strict=True)
        if inputs.copies(irrep)
    )
    return MixingTable(blocks, inputs.dim, outputs.dim, channels_in, channels_out)


def mix_by_species(table: MixingTable, x: Tensor, weight: Tensor, groups: SpeciesGroups, factor: float = 1.0) -> Tensor:
    """Map each block of x [N, D, C] with the matrix of the atom's species, weights [S, K]; see `block_mix`."""
    return block_mix(table, x, weight, factor, groups.species, groups.order, groups.counts)
