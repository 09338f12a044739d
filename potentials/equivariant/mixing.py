"""Linear maps of channels within each block: the same for all atoms, or one per species."""

from __future__ import annotations

from collections.abc import Sequence
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
        counts = torch.bincount(species, minlength=num_species).tolist()
        return cls(order, torch.argsort(order), counts)


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
        self.parts: list[tuple[Irrep, slice]] = []
        self.weights = nn.ParameterList()
        start = 0
        for irrep, copies in blocks:
            stop = start + irrep.dim * copies
            if outputs is None or irrep in outputs:
                self.parts.append((irrep, slice(start, stop)))
                self.weights.append(nn.Parameter(torch.randn(copies * channels_in, channels_out)))
            start = stop

    @property
    def layout(self) -> Layout:
        """Blocks of the output."""
        return Layout(irrep for irrep, _ in self.parts)

    def forward(self, x: Tensor) -> Tensor:
        """[N, input components, channels_in] to [N, output components, channels_out]."""
        outputs = []
        for (irrep, part), weight in zip(self.parts, self.weights, strict=True):
            rows = x[:, part].reshape(-1, weight.shape[0])
            # Scaling the weight rather than the data: it is smaller.
            mixed = rows @ (weight * weight.shape[0] ** -0.5)
            outputs.append(mixed.view(x.shape[0], irrep.dim, self.channels_out))
        return torch.cat(outputs, dim=1)


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
        self.outputs = outputs
        self.parts = [layout.slice_of(irrep) if irrep in layout else None for irrep in outputs]
        self.weights = nn.ParameterList(
            nn.Parameter(torch.randn(num_species, channels_in, channels_out)) for part in self.parts if part is not None
        )
        self.factor = (channels_in * num_species) ** -0.5
        self.channels_out = channels_out

    def forward(self, x: Tensor, groups: SpeciesGroups) -> Tensor:
        """[N, components, channels_in] to [N, output components, channels_out]."""
        weights = iter(self.weights)
        outputs = []
        for irrep, part in zip(self.outputs, self.parts, strict=True):
            if part is None:
                outputs.append(x.new_zeros(x.shape[0], irrep.dim, self.channels_out))
            else:
                outputs.append(mix_by_species(x[:, part], next(weights) * self.factor, groups))
        return torch.cat(outputs, dim=1)


def mix_by_species(x: Tensor, weights: Tensor, groups: SpeciesGroups) -> Tensor:
    """x [N, m, C_in] times the matrix of each atom's species, weights [S, C_in, C_out]: [N, m, C_out]."""
    rows = x.index_select(0, groups.order).split(groups.counts)
    mixed = [group @ weight for group, weight in zip(rows, weights, strict=True) if group.shape[0]]
    if not mixed:
        return x.new_zeros(0, x.shape[1], weights.shape[2])
    return torch.cat(mixed).index_select(0, groups.inverse)
