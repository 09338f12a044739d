"""Tensor products of features with a learned weight for each path and channel (E3x, arXiv:2401.07595)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from potentials.equivariant.channel_products import product_coupling
from potentials.equivariant.e3x.dense import Dense
from potentials.equivariant.layout import Irrep, Layout
from potentials.equivariant.layout_changes import check_components
from potentials.errors import LayoutError
from potentials.kernels import ManyBodyTable, many_body


def product_layout(first: Layout, second: Layout, degree: int | None = None, pseudotensors: bool = True) -> Layout:
    """Return the blocks that products of two layouts reach.

    Args:
        first: blocks of the first factor.
        second: blocks of the second factor.
        degree: highest degree of the product; by default the higher of those of the factors.
        pseudotensors: whether to include pseudotensors (1e, 0o, ...) besides proper tensors.

    Raises:
        LayoutError: no product has this degree.
    """
    wanted = max(first.degree, second.degree) if degree is None else degree
    if not 0 <= wanted <= first.degree + second.degree:
        raise LayoutError(
            f"expected a degree of 0 to {first.degree + second.degree} for products of features up to degree "
            f"{first.degree} with features up to degree {second.degree}, got {wanted}"
        )
    layout = Layout.full(wanted) if pseudotensors else Layout.natural(wanted)
    return product_coupling(first, second, layout).layout


class WeightedTerms(nn.Module):
    """B[n, M, c] = sum_t [M_t = M] C_t w[path_t, c] / sqrt(P_M) prod_q A[n, factors[t, q], c].

    The coefficient of a monomial is a constant times the weight of its path. Weights are initialized standard normal;
    dividing by sqrt(P_M), P_M the number of paths to a component, preserves unit variance.

    Args:
        blocks: (irrep, paths) of the outputs, as `MessageCoupling.blocks`.
        components: number of components of A.
        factors: components of A in each term [T, correlation].
        row_of_term: row of each term [T], ascending, where each path has its own rows, [2l + 1, paths] for a block.
        constants: C_t [T].
        channels: channels of A.
    """

    path_of_term: Tensor
    constants: Tensor

    def __init__(
        self,
        blocks: Sequence[tuple[Irrep, int]],
        components: int,
        factors: np.ndarray,
        row_of_term: np.ndarray,
        constants: np.ndarray,
        channels: int,
    ) -> None:
        super().__init__()
        rows: list[tuple[int, int, int]] = []
        start = first_path = 0
        for irrep, paths in blocks:
            rows += [(start + m, first_path + path, paths) for m in range(irrep.dim) for path in range(paths)]
            start, first_path = start + irrep.dim, first_path + paths
        output, path, fan_in = np.array(rows, dtype=np.int64).reshape(-1, 3)[row_of_term].T
        self.table = ManyBodyTable.create(components, start, factors, output)
        self.register_buffer("path_of_term", torch.from_numpy(path.copy()), persistent=False)
        scaled = torch.tensor(constants / np.sqrt(fan_in), dtype=torch.get_default_dtype())
        self.register_buffer("constants", scaled.unsqueeze(1), persistent=False)
        self.weight = nn.Parameter(torch.randn(first_path, channels))

    def forward(self, A: Tensor) -> Tensor:
        """Map A [N, components, C] to B [N, outputs, C]."""
        coefficients = (self.weight.index_select(0, self.path_of_term) * self.constants).unsqueeze(0)
        species = torch.zeros(A.shape[0], dtype=torch.int64, device=A.device)
        return many_body(self.table, A, coefficients, species, torch.arange(A.shape[0], device=A.device))


class TensorProduct(nn.Module):
    """z_{c} = sum over paths (a, b, c) of w_{abc} * (x_a (x) y_b)_c for each channel, without mixing channels.

    A path consists of a block of x, a block of y and a block of their product. It has one weight per channel,
    initialized standard normal and divided by the square root of the number of paths to c. Couplings are those of
    `coupling_coefficients`. As E3x's `Tensor`.

    Args:
        first: blocks of x.
        second: blocks of y.
        channels: channels of x, y and z.
        degree: highest degree of z; by default the higher of those of x and y.
        pseudotensors: whether z contains pseudotensors.

    Attributes:
        layout: blocks of z: the requested blocks that the product can reach by symmetry; `change_layout` adds others.
        paths: (block of x, block of y, block of z), one for each row of the weights.

    Raises:
        LayoutError: no product has this degree.
    """

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
        coupling = product_coupling(first, second, product_layout(first, second, degree, pseudotensors))
        self.layout, self.paths = coupling.layout, coupling.paths
        table = coupling.table
        self.terms = WeightedTerms(
            coupling.blocks, table.components, table.factors, table.output_of_term, coupling.coefficients, channels
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Map x [N, components of `first`, C] and y [N, components of `second`, C] to z [N, components of `layout`, C].

        Raises:
            LayoutError: a tensor does not have the components of its layout, or the channels differ.
        """
        check_factors(x, self.first, y, self.second)
        return self.terms(torch.cat([x, y], dim=1))


def check_factors(x: Tensor, first: Layout, y: Tensor, second: Layout) -> None:
    """Raise `LayoutError` unless two tensors have the components of their layouts and the same number of channels."""
    check_components(x, first)
    check_components(y, second)
    if x.shape[-1] != y.shape[-1]:
        raise LayoutError(f"expected the same number of channels in both tensors, got {x.shape[-1]} and {y.shape[-1]}")


class TensorDense(nn.Module):
    """The tensor product of the two halves of a dense layer with 2 C' channels, as E3x's `TensorDense`.

    Args:
        layout: blocks of the input.
        channels_in: channels of the input.
        channels_out: channels of the output C'.
        degree: highest degree of the output; by default that of the input.
        pseudotensors: whether the output contains pseudotensors.
        bias: whether even scalars of the dense layer have a bias.

    Attributes:
        layout: blocks of the output.

    Raises:
        LayoutError: no product has this degree.
    """

    def __init__(
        self,
        layout: Layout,
        channels_in: int,
        channels_out: int,
        degree: int | None = None,
        pseudotensors: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.dense = Dense(layout, channels_in, 2 * channels_out, bias=bias)
        self.product = TensorProduct(layout, layout, channels_out, degree, pseudotensors)
        self.layout = self.product.layout

    def forward(self, x: Tensor) -> Tensor:
        """Map features [N, components, C] to [N, output components, C']."""
        return self.product(*self.dense(x).chunk(2, dim=-1))
