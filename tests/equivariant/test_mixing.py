"""Linear maps of channels against e3nn's layers, and the variance at initialisation."""

from __future__ import annotations

import pytest
import torch
from e3nn import o3
from torch import Tensor

from potentials.equivariant import BlockMixing, Blocks, Irrep, Layout, SpeciesGroups, SpeciesMixing, message_table
from potentials.errors import LayoutError

SPECIES = torch.tensor([2, 0, 2, 1, 0])


def to_e3nn(features: Tensor, blocks: list[tuple[Irrep, int]]) -> Tensor:
    """[N, components (m outermost, then copies), C] to e3nn's [N, blocks of ((copy, channel), m)]."""
    parts, start = [], 0
    for irrep, copies in blocks:
        block = features[:, start : start + irrep.dim * copies].unflatten(1, (irrep.dim, copies))
        parts.append(block.permute(0, 2, 3, 1).flatten(1))
        start += irrep.dim * copies
    return torch.cat(parts, dim=1)


def plain(layout: Layout) -> list[tuple[Irrep, int]]:
    return [(irrep, 1) for irrep in layout]


def irreps(blocks: list[tuple[Irrep, int]], channels: int) -> o3.Irreps:
    return o3.Irreps([(copies * channels, (irrep.degree, irrep.parity)) for irrep, copies in blocks])


MESSAGE_BLOCKS = list(message_table(Layout.natural(1), 2, Layout.natural(2)).blocks)
BLOCKS = {
    "features": plain(Layout.natural(2)),
    "pseudotensors": plain(Layout.full(1)),
    "messages": MESSAGE_BLOCKS,
}


@pytest.mark.parametrize("outputs", [None, Layout.natural(1)], ids=["all blocks", "some blocks"])
@pytest.mark.parametrize("name", BLOCKS)
def test_block_mixing_is_the_linear_layer_of_e3nn(name: str, outputs: Layout | None) -> None:
    blocks, channels_in, channels_out = BLOCKS[name], 3, 4
    mixing = BlockMixing(blocks, channels_in, channels_out, outputs)
    kept = [irrep for irrep, _ in blocks if outputs is None or irrep in outputs]
    assert mixing.layout == tuple(kept)
    linear = o3.Linear(
        irreps(blocks, channels_in),
        irreps(plain(Layout(kept)), channels_out),
        internal_weights=False,
        shared_weights=True,
    )
    x = torch.randn(5, sum(irrep.dim * copies for irrep, copies in blocks), channels_in)
    expected = linear(to_e3nn(x, blocks), torch.cat([weight.detach().flatten() for weight in mixing.weights]))
    found = to_e3nn(mixing(x), plain(mixing.layout))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_messages_have_several_copies() -> None:
    # Otherwise the order of copies and channels would not be tested above.
    assert max(copies for _, copies in MESSAGE_BLOCKS) > 1


def test_species_mixing_is_the_fully_connected_product_of_e3nn() -> None:
    layout, channels_in, channels_out, num_species = Layout.natural(2), 3, 4, 3
    mixing = SpeciesMixing(layout, layout, channels_in, channels_out, num_species)
    blocks = plain(layout)
    product = o3.FullyConnectedTensorProduct(
        irreps(blocks, channels_in), f"{num_species}x0e", irreps(blocks, channels_out), internal_weights=False
    )
    x = torch.randn(5, layout.dim, channels_in)
    onehot = torch.nn.functional.one_hot(SPECIES, num_species).double()
    # e3nn's weights are [channels in, species, channels out].
    weights = torch.cat([weight.detach().transpose(0, 1).flatten() for weight in mixing.weights])
    expected = product(to_e3nn(x, blocks), onehot, weights)
    found = to_e3nn(mixing(x, SpeciesGroups.from_species(SPECIES, num_species)), blocks)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_species_mixing_fills_blocks_that_are_not_there_with_zeros() -> None:
    mixing = SpeciesMixing(Layout.natural(0), Layout.natural(1), 3, 3, 3)
    result = mixing(torch.randn(5, 1, 3), SpeciesGroups.from_species(SPECIES, 3))
    assert result.shape == (5, 4, 3)
    assert result[:, 0].all()
    assert not result[:, 1:].any()


def test_species_groups() -> None:
    groups = SpeciesGroups.from_species(SPECIES, 4)
    assert groups.counts == [2, 1, 2, 0]
    assert SPECIES[groups.order].tolist() == [0, 0, 1, 2, 2]
    assert groups.species is SPECIES
    assert SpeciesGroups.from_species(SPECIES[:0], 2).counts == [0, 0]


@pytest.mark.parametrize("species", [[], [1], [1, 1]])
def test_species_mixing_of_few_atoms(species: list[int]) -> None:
    mixing = SpeciesMixing(Layout.natural(1), Layout.natural(1), 2, 3, 3)
    x = torch.randn(len(species), 4, 2)
    result = mixing(x, SpeciesGroups.from_species(torch.tensor(species, dtype=torch.int64), 3))
    assert result.shape == (len(species), 4, 3)
    for atom in range(len(species)):
        expected = x[atom, :1] @ mixing.weights[0][1] * (2 * 3) ** -0.5
        torch.testing.assert_close(result[atom, :1], expected)


def test_block_mixing_keeps_unit_variance() -> None:
    mixing = BlockMixing(MESSAGE_BLOCKS, 40, 300)
    x = torch.randn(60, sum(irrep.dim * copies for irrep, copies in MESSAGE_BLOCKS), 40)
    for part in mixing.layout.slices():
        # Thousands of weights of each block: a few per cent.
        assert abs(mixing(x)[:, part].var().item() - 1) < 0.1


def test_species_mixing_has_the_variance_of_a_one_hot_product() -> None:
    # The zeros of the one-hot count in the fan-in: the variance is 1 / number of species.
    mixing = SpeciesMixing(Layout.natural(1), Layout.natural(1), 40, 300, 4)
    species = torch.arange(60) % 4
    result = mixing(torch.randn(60, 4, 40), SpeciesGroups.from_species(species, 4))
    assert abs(4 * result.var().item() - 1) < 0.1


def test_mixing_of_different_channels_is_the_linear_map_of_e3nn() -> None:
    """Blocks with 6 and 4 channels to 2 and 8, in units of 2, with a bias of the scalars."""
    inputs = Blocks([(Irrep(0, 1), 3), (Irrep(1, -1), 2)])
    outputs = Blocks([(Irrep(0, 1), 1), (Irrep(1, -1), 4)])
    mixing = BlockMixing(inputs, 2, 2, outputs=outputs, bias=True)
    assert mixing.bias is not None
    torch.nn.init.normal_(mixing.bias)
    linear = o3.Linear("6x0e+4x1o", "2x0e+8x1o", biases=True, internal_weights=False)
    x = torch.randn(5, inputs.dim, 2)

    def of_e3nn(x: Tensor, blocks: Blocks) -> Tensor:
        parts = zip(blocks, blocks.slices(), strict=True)
        return torch.cat(
            [x[:, rows].reshape(5, irrep.dim, -1).transpose(1, 2).flatten(1) for (irrep, _), rows in parts], dim=1
        )

    weights = torch.cat([weight.detach().flatten() for weight in mixing.weights])
    expected = linear(of_e3nn(x, inputs), weights, mixing.bias.detach().flatten())
    torch.testing.assert_close(of_e3nn(mixing(x), outputs), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(mixing(x, 3.0), 3 * mixing(x), rtol=1e-12, atol=1e-12)


def test_a_bias_is_for_even_scalars_that_come_first() -> None:
    assert BlockMixing([(Irrep(1, -1), 1)], 2, 2, bias=True).bias is None
    with pytest.raises(LayoutError, match="even scalars"):
        BlockMixing([(Irrep(1, -1), 1), (Irrep(0, 1), 1)], 2, 2, bias=True)
