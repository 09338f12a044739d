"""Linear maps of channels within each block: the same for all atoms, or one per species."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from potentials.equivariant.layout import Irrep, Layout


class SpeciesGroups(NamedTuple):
    """The atoms sorted by species, so that a map per species is one matrix product per species."""

    order: Tensor
    """[N] atoms, sorted by species."""
    inverse: Tensor
    """[N] puts sorted rows back."""
    counts: list[int]
    """Number of atoms of each species."""

    @classmethod
    def from_species(cls, species: Tensor, num_species: int) -> SpeciesGroups:
        """Sort the atoms; stable, so the order within a species is kept."""
        order = torch.argsort(species, stable=True)
        inverse = torch.empty_like(order)
        inverse[order] = torch.arange(order.shape[0], device=order.device)
        counts = torch.bincount(species, minlength=num_species).tolist()
        return cls(order, inverse, counts)

    @classmethod
    def one_each(cls, num_species: int, device: torch.device) -> SpeciesGroups:
        """One row of each species, for features that depend on nothing else."""
        order = torch.arange(num_species, device=device)
        return cls(order, order, [1] * num_species)


class BlockMixing(nn.Module):
    """Mix the channels (and paths) of each block: y_lmw = sum_u x_lmu W^l_uw / sqrt(fan-in).

    The input holds, for block b, `counts[b]` copies of each component ([2l + 1, copies], m outermost); the output one.
    Weights start standard normal.

    Args:
        blocks: (irrep, copies) of the input, as `MessageCoupling.blocks`; copies are 1 for plain features.
        channels_in: channels of each copy.
        channels_out: channels of the output.
        outputs: blocks that are wanted; blocks of the input that are not among them are dropped.
    """

    def __init__(
        self,
        blocks: Sequence[tuple[Irrep, int]],
        channels_in: int,
        channels_out: int,
        outputs: Layout | None = None,
    ) -> None:
        super().__init__()
        self.channels_out = channels_out
        self.sizes = [irrep.dim * copies for irrep, copies in blocks]
        self.parts = [
            (number, irrep) for number, (irrep, _) in enumerate(blocks) if outputs is None or irrep in outputs
        ]
        self.weights = nn.ParameterList(
            nn.Parameter(torch.randn(blocks[number][1] * channels_in, channels_out)) for number, _ in self.parts
        )

    @property
    def layout(self) -> Layout:
        """Blocks of the output."""
        return Layout(irrep for _, irrep in self.parts)

    def forward(self, x: Tensor, factor: float = 1.0) -> Tensor:
        """[N, input components, channels_in] to [N, output components, channels_out], times a constant."""
        # Split, not sliced: the derivative of a slice fills a whole tensor with zeros.
        blocks = x.split(self.sizes, dim=1)
        outputs = []
        for (number, irrep), weight in zip(self.parts, self.weights, strict=True):
            rows = blocks[number].reshape(-1, weight.shape[0])
            # Scaling the weight rather than the data: it is smaller.
            mixed = rows @ (weight * (factor * weight.shape[0] ** -0.5))
            outputs.append(mixed.view(x.shape[0], irrep.dim, self.channels_out))
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)


class SpeciesMixing(nn.Module):
    """Mix the channels of each block with one matrix per species: y_lmw = sum_u x_lmu W^l_zuw / sqrt(C S).

    This is e3nn's fully connected tensor product with one-hot species: the zeros of the one-hot count in the fan-in.

    Args:
        layout: blocks of the input.
        outputs: blocks that are wanted; those that the input lacks come out as zeros.
        channels_in: channels of the input.
        channels_out: channels of the output.
        num_species: number of species S.
    """

    def __init__(self, layout: Layout, outputs: Layout, channels_in: int, channels_out: int, num_species: int) -> None:
        super().__init__()
        self.block_map = BlockMap.between(layout, outputs)
        self.weights = nn.ParameterList(
            nn.Parameter(torch.randn(num_species, channels_in, channels_out)) for _ in self.block_map.present
        )
        self.factor = (channels_in * num_species) ** -0.5

    def forward(self, x: Tensor, groups: SpeciesGroups) -> Tensor:
        """[N, components, channels_in] to [N, output components, channels_out]."""
        return mix_by_species(x, [weight * self.factor for weight in self.weights], self.block_map, groups)


@dataclass(frozen=True)
class BlockMap:
    """Which block of the input goes to which block of the output.

    Attributes:
        sizes: components of each input block.
        sources: for each output block its components and the number of the input block, None where there is none.
    """

    sizes: tuple[int, ...]
    sources: tuple[tuple[int, int | None], ...]

    @classmethod
    def between(cls, inputs: Layout, outputs: Layout) -> BlockMap:
        """Equal irreps belong together."""
        numbers = {irrep: number for number, irrep in enumerate(inputs)}
        sources = tuple((irrep.dim, numbers.get(irrep)) for irrep in outputs)
        return cls(tuple(irrep.dim for irrep in inputs), sources)

    @property
    def present(self) -> list[int]:
        """Input blocks that are used, in the order of the output."""
        return [number for _, number in self.sources if number is not None]


def mix_by_species(x: Tensor, weights: Sequence[Tensor], block_map: BlockMap, groups: SpeciesGroups) -> Tensor:
    """Each block of x [N, components, C_in] times the matrix of the atom's species.

    Args:
        x: features.
        weights: [S, C_in, C_out] for each output block that has an input.
        block_map: which blocks these are.
        groups: the atoms by species.

    Returns:
        [N, output components, C_out]; zero where a block has no input.
    """
    results = []
    for species, rows in enumerate(x.index_select(0, groups.order).split(groups.counts)):
        if not rows.shape[0]:
            continue
        blocks, matrices = rows.split(block_map.sizes, dim=1), iter(weights)
        mixed = [
            rows.new_zeros(rows.shape[0], dim, weights[0].shape[2])
            if number is None
            else blocks[number] @ next(matrices)[species]
            for dim, number in block_map.sources
        ]
        results.append(mixed[0] if len(mixed) == 1 else torch.cat(mixed, dim=1))
    if not results:
        return x.new_zeros(0, sum(dim for dim, _ in block_map.sources), weights[0].shape[2])
    return torch.cat(results).index_select(0, groups.inverse)
