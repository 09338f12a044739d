"""Dense layers of feature tensors: one matrix for each block, and a bias for even scalars."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from potentials.equivariant.layout import Irrep, Layout
from potentials.equivariant.layout_changes import check_components
from potentials.equivariant.mixing import BlockMixing

SCALAR = Irrep(0, 1)


class Dense(nn.Module):
    """y_b = x_b W^b / sqrt(C) for each block b, plus a bias for 0e, the only block that can have one.

    With the layout 0e alone this is `torch.nn.Linear`. Weights are initialized standard normal, biases to zero. As
    E3x's `Dense` (Unke and Maennel, arXiv:2401.07595).

    Args:
        layout: blocks of the input.
        channels_in: channels of the input.
        channels_out: channels of the output.
        outputs: requested blocks; other blocks of the input are dropped.
        bias: whether even scalars have a bias.
        zero: initialize all weights to zero, so that a residual branch starts without effect.

    Attributes:
        layout: blocks of the output.
    """

    is_scalar: Tensor

    def __init__(
        self,
        layout: Layout,
        channels_in: int,
        channels_out: int,
        outputs: Layout | None = None,
        bias: bool = True,
        zero: bool = False,
    ) -> None:
        super().__init__()
        self.inputs = layout
        self.mixing = BlockMixing([(irrep, 1) for irrep in layout], channels_in, channels_out, outputs)
        self.layout = self.mixing.layout
        if zero:
            nn.init.zeros_(self.mixing.weight)
        has_bias = bias and SCALAR in self.layout
        self.bias = nn.Parameter(torch.zeros(channels_out)) if has_bias else None
        rows = [float(irrep == SCALAR) for irrep in self.layout for _ in range(irrep.dim)]
        self.register_buffer("is_scalar", torch.tensor(rows).unsqueeze(1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map features [N, components, C] to [N, output components, C'].

        Raises:
            LayoutError: the features do not have the components of the layout.
        """
        check_components(x, self.inputs)
        y = self.mixing(x)
        return y if self.bias is None else y + self.is_scalar * self.bias
