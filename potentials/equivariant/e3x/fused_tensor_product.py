"""Tensor products as matrix products, with fewer weights and operations than one weight for each path."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from potentials.equivariant.channel_products import product_coupling
from potentials.equivariant.couplings import coupling_coefficients
from potentials.equivariant.e3x.tensor_products import check_factors, product_layout
from potentials.equivariant.layout import Irrep, Layout


class FusedTensorProduct(nn.Module):
    """Tensor product by matrix products: O(L^3) operations for degree L, compared with O(L^6) for paths.

    With k = ceil(L / 2), a block of degree l <= 2k is a matrix of 2k + 1 rows, `X_ij = sum_m C^{kkl}_ijm x_m`.
    Separately for even and odd blocks (p, q = +-1), with a weight u, v, w for each block and channel,

        X^p = sum_{a of parity p} u_a X_a,   Y^q = sum_{b of parity q} v_b Y_b,
        z_c = sum_{pq = parity of c} w_{pqc} [X^p Y^q]_c.

    This equals `TensorProduct` with weights u_a v_b w_c times a constant for each path. Weights are initialized
    standard normal, with factors that preserve the variance of standard normal features. As E3x's `FusedTensor`.

    Args:
        first: blocks of x.
        second: blocks of y.
        channels: channels of x, y and z.
        degree: highest degree of z; by default the higher of those of x and y.
        pseudotensors: whether z contains pseudotensors.

    Attributes:
        layout: blocks of z: the requested blocks that the product can reach by symmetry.
        outputs: (parity of the first, parity of the second, block of z), one for each row of the weights w.

    Raises:
        LayoutError: no product has this degree.
    """

    first_basis: Tensor
    second_basis: Tensor
    output_basis: Tensor

    def __init__(
        self,
        first: Layout,
        second: Layout,
        channels: int,
        degree: int | None = None,
        pseudotensors: bool = True,
    ) -> None:
        super().__init__()
        self.first, self.second = first, second
        self.layout = product_layout(first, second, degree, pseudotensors)
        paths = product_coupling(first, second, self.layout).paths
        k = -(-max(first.degree, second.degree, self.layout.degree) // 2)
        strengths: dict[tuple[int, int, Irrep], float] = {}
        for a, b, c in paths:
            key = (a.parity, b.parity, c)
            strengths[key] = strengths.get(key, 0.0) + fused_path_constant(k, a.degree, b.degree, c.degree) ** 2
        self.outputs = tuple(sorted(strengths, key=lambda key: self.layout.index(key[2])))
        ways = {c: sum(output[2] == c for output in self.outputs) for c in self.layout}
        factors = [(strengths[output] * ways[output[2]]) ** -0.5 for output in self.outputs]
        for name, layout in (("first_basis", first), ("second_basis", second)):
            self.register_buffer(name, _basis(k, layout, [1.0] * len(layout)), persistent=False)
        blocks = Layout(output[2] for output in self.outputs)
        self.register_buffer("output_basis", _basis(k, blocks, factors), persistent=False)
        self.first_weight = nn.Parameter(torch.randn(len(first), channels))
        self.second_weight = nn.Parameter(torch.randn(len(second), channels))
        self.output_weight = nn.Parameter(torch.randn(len(self.outputs), channels))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Map x [N, components of `first`, C] and y [N, components of `second`, C] to z [N, components of `layout`, C].

        Raises:
            LayoutError: a tensor does not have the components of its layout, or the channels differ.
        """
        check_factors(x, self.first, y, self.second)
        left = _matrices(x, self.first, self.first_weight, self.first_basis)
        right = _matrices(y, self.second, self.second_weight, self.second_basis)
        blocks: dict[Irrep, Tensor] = {}
        start = 0
        for row, (p, q, irrep) in enumerate(self.outputs):
            basis = self.output_basis[start : start + irrep.dim]
            product = left[p] @ right[q]
            part = torch.einsum("ncij,mij->nmc", product, basis) * self.output_weight[row]
            blocks[irrep] = blocks[irrep] + part if irrep in blocks else part
            start += irrep.dim
        return torch.cat([blocks[irrep] for irrep in self.layout], dim=1)


def _basis(k: int, layout: Layout, factors: list[float]) -> Tensor:
    """Return the matrices [components, 2k + 1, 2k + 1] of each block times its factor."""
    size = 2 * k + 1
    blocks = [
        factor * np.moveaxis(coupling_coefficients(k, k, irrep.degree), 2, 0)
        for irrep, factor in zip(layout, factors, strict=True)
    ]
    stacked = np.concatenate(blocks) if blocks else np.zeros((0, size, size))
    return torch.tensor(stacked, dtype=torch.get_default_dtype())


def _matrices(x: Tensor, layout: Layout, weight: Tensor, basis: Tensor) -> dict[int, Tensor]:
    """Sum the blocks of each parity as matrices [N, C, 2k + 1, 2k + 1]."""
    rows = [number for number, irrep in enumerate(layout) for _ in range(irrep.dim)]
    scaled = x * weight[rows]
    found = {}
    for parity in {irrep.parity for irrep in layout}:
        kept = [m for m, number in enumerate(rows) if layout[number].parity == parity]
        found[parity] = torch.einsum("nmc,mij->ncij", scaled[:, kept], basis[kept])
    return found


def fused_path_constant(k: int, degree_1: int, degree_2: int, degree_3: int) -> float:
    """Return the constant by which a product of matrices of 2k + 1 rows couples two blocks into a third.

    [X Y]_m = constant * sum C_{m1 m2 m} x_m1 y_m2, with `coupling_coefficients` C.
    """
    first, second, third = (coupling_coefficients(k, k, degree) for degree in (degree_1, degree_2, degree_3))
    found = np.einsum("ila,ljb,ijc->abc", first, second, third, optimize=True)
    coupling = coupling_coefficients(degree_1, degree_2, degree_3)
    return float((found * coupling).sum() / (coupling**2).sum())
