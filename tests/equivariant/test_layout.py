"""Irreps and layouts against e3nn's irreps."""

from __future__ import annotations

import pytest
from e3nn import o3

from potentials.equivariant import Blocks, Irrep, Layout


@pytest.mark.parametrize("first", [Irrep(0, 1), Irrep(1, -1), Irrep(2, -1), Irrep(3, 1)])
@pytest.mark.parametrize("second", [Irrep(0, -1), Irrep(1, 1), Irrep(4, 1)])
def test_products(first: Irrep, second: Irrep) -> None:
    expected = [Irrep(product.l, product.p) for product in o3.Irrep(str(first)) * o3.Irrep(str(second))]
    assert list(first.products(second)) == expected
    assert first.dim == o3.Irrep(str(first)).dim


@pytest.mark.parametrize("degree", range(5))
def test_natural_layouts_are_those_of_spherical_harmonics(degree: int) -> None:
    layout = Layout.natural(degree)
    expected = o3.Irreps.spherical_harmonics(degree)
    assert layout == tuple(Irrep(irrep.l, irrep.p) for _, irrep in expected)
    assert layout.dim == (degree + 1) ** 2
    assert [(s.start, s.stop) for s in layout.slices()] == [(n**2, (n + 1) ** 2) for n in range(degree + 1)]


def test_full_layouts_add_pseudotensors() -> None:
    layout = Layout.full(2)
    assert str(layout) == "0e+0o+1o+1e+2e+2o"
    assert layout.dim == 18
    assert layout.slice_of(Irrep(1, 1)) == slice(5, 8)


def test_a_block_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="not in tuple"):
        Layout.natural(2).slice_of(Irrep(1, 1))


def test_blocks_with_copies() -> None:
    blocks = Blocks([(Irrep(0, 1), 4), (Irrep(1, -1), 2), (Irrep(2, 1), 1)])
    assert blocks.layout == Layout.natural(2)
    assert blocks.dim == 4 + 2 * 3 + 5
    assert blocks.slices() == [slice(0, 4), slice(4, 10), slice(10, 15)]
    assert blocks.slice_of(Irrep(1, -1)) == slice(4, 10)
    assert [blocks.copies(irrep) for irrep in (Irrep(1, -1), Irrep(1, 1))] == [2, 0]
    assert str(blocks) == "4x0e+2x1o+2e"
    with pytest.raises(ValueError, match="not in tuple"):
        blocks.slice_of(Irrep(1, 1))
    assert Blocks.of(blocks) is blocks
    assert Blocks.of(Layout.natural(1)) == ((Irrep(0, 1), 1), (Irrep(1, -1), 1))
    assert Blocks.one_each(Layout.natural(2)).slices() == Layout.natural(2).slices()
