"""Changes of layout: blocks are dropped or added as zeros."""

from __future__ import annotations

import torch
from torch import Tensor

from potentials.equivariant.layout import Layout
from potentials.errors import LayoutError


def change_layout(features: Tensor, layout: Layout, wanted: Layout) -> Tensor:
    """Convert features to another layout: drop blocks that it does not contain and add missing blocks as zeros.

    Args:
        features: [..., components, channels].
        layout: blocks of the features.
        wanted: blocks of the result, in this order.

    Returns:
        Features [..., components of `wanted`, channels]. The map is equivariant for any two layouts.

    Raises:
        LayoutError: the features do not have the components of the layout.
    """
    check_components(features, layout)
    if layout == wanted:
        return features
    blocks = dict(zip(layout, layout.slices(), strict=True))
    parts = []
    for irrep in wanted:
        if irrep in blocks:
            parts.append(features[..., blocks[irrep], :])
        else:
            parts.append(features.new_zeros(*features.shape[:-2], irrep.dim, features.shape[-1]))
    return torch.cat(parts, dim=-2) if parts else features[..., :0, :]


def add(x: Tensor, x_layout: Layout, y: Tensor, y_layout: Layout) -> tuple[Tensor, Layout]:
    """Add two feature tensors; blocks that only one of them has are copied.

    Args:
        x: features [..., components of `x_layout`, channels].
        x_layout: blocks of x.
        y: features [..., components of `y_layout`, channels].
        y_layout: blocks of y.

    Returns:
        The sum and its layout `x_layout.joined(y_layout)`.

    Raises:
        LayoutError: a tensor does not have the components of its layout, or their channels differ.
    """
    if x.shape[-1] != y.shape[-1]:
        raise LayoutError(f"expected the same number of channels in both tensors, got {x.shape[-1]} and {y.shape[-1]}")
    layout = x_layout.joined(y_layout)
    return change_layout(x, x_layout, layout) + change_layout(y, y_layout, layout), layout


def check_components(features: Tensor, layout: Layout) -> None:
    """Raise `LayoutError` unless features [..., components, channels] have the components of a layout."""
    if features.dim() < 2 or features.shape[-2] != layout.dim:
        raise LayoutError(
            f"expected features [..., {layout.dim} components, channels] for the layout {layout}, "
            f"got {list(features.shape)}"
        )
