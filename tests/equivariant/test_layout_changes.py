"""Blocks dropped and added: what is kept stays, what is new is zero, and turning commutes with it."""

from __future__ import annotations

import pytest
import torch

from potentials.equivariant import Irrep, Layout, add, change_layout, random_rotation, rotate
from potentials.errors import LayoutError

LAYOUTS = [Layout.natural(0), Layout.natural(2), Layout.full(1), Layout([Irrep(2, -1), Irrep(0, 1)])]


@pytest.mark.parametrize("wanted", LAYOUTS, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_blocks(layout: Layout, wanted: Layout) -> None:
    x = torch.randn(3, layout.dim, 2)
    changed = change_layout(x, layout, wanted)
    assert changed.shape == (3, wanted.dim, 2)
    for irrep in wanted:
        block = changed[:, wanted.slice_of(irrep)]
        expected = x[:, layout.slice_of(irrep)] if irrep in layout else torch.zeros(3, irrep.dim, 2)
        assert torch.equal(block, expected)
    R = -random_rotation()
    turned = change_layout(rotate(x, layout, R), layout, wanted)
    torch.testing.assert_close(rotate(changed, wanted, R), turned, rtol=0, atol=1e-13)


def test_no_blocks_wanted() -> None:
    assert change_layout(torch.ones(3, 4, 2), Layout.natural(1), Layout()).shape == (3, 0, 2)


@pytest.mark.parametrize("second", LAYOUTS, ids=str)
@pytest.mark.parametrize("first", LAYOUTS, ids=str)
def test_sums(first: Layout, second: Layout) -> None:
    x, y = torch.randn(3, first.dim, 2), torch.randn(3, second.dim, 2)
    total, layout = add(x, first, y, second)
    assert set(layout) == {*first, *second}
    for irrep in layout:
        expected = torch.zeros(3, irrep.dim, 2)
        for tensor, blocks in ((x, first), (y, second)):
            if irrep in blocks:
                expected = expected + tensor[:, blocks.slice_of(irrep)]
        assert torch.equal(total[:, layout.slice_of(irrep)], expected)


def test_joined_layouts_are_in_order() -> None:
    assert str(Layout([Irrep(2, 1), Irrep(0, -1)]).joined(Layout.natural(1))) == "0e+0o+1o+2e"
    assert Layout.natural(3).joined(Layout.full(3)) == Layout.full(3)
    assert Layout.full(3).degree == 3


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(LayoutError, match=r"expected features \[..., 4 components, channels\].*got \[3, 9, 2\]"):
        change_layout(torch.zeros(3, 9, 2), Layout.natural(1), Layout.natural(0))
    with pytest.raises(LayoutError, match="same number of channels in both tensors, got 2 and 3"):
        add(torch.zeros(3, 1, 2), Layout.natural(0), torch.zeros(3, 1, 3), Layout.natural(0))
