"""Blocks after E3x: their symmetry, their initial variance, ordinary networks as a special case, and what is refused.
Their numbers are compared with the published package in `tests/interop/test_e3x.py`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from potentials.equivariant import (
    Dense,
    FusedTensorProduct,
    GatedActivation,
    Irrep,
    Layout,
    MessagePass,
    SelfAttention,
    TensorDense,
    TensorProduct,
    product_layout,
    random_rotation,
    rotate,
    spherical_harmonics,
)
from potentials.equivariant.e3x.fused_tensor_product import fused_path_constant
from potentials.errors import LayoutError
from potentials.kernels import EdgeTopology

CHANNELS = 4
FULL, NATURAL = Layout.full(2), Layout.natural(2)
SCALARS = Layout.natural(0)
ACTIVATIONS = {"silu": nn.functional.silu, "gelu": nn.functional.gelu, "mish": nn.functional.mish}


def features(layout: Layout, rows: int = 5) -> Tensor:
    return torch.randn(rows, layout.dim, CHANNELS)


def graph(positions: Tensor) -> tuple[Tensor, Tensor, Tensor, EdgeTopology]:
    """Harmonics, a radial basis of size 3, a cutoff function and the edges of all pairs."""
    pairs = [(j, i) for i in range(len(positions)) for j in range(len(positions)) if i != j]
    topology = EdgeTopology.from_edge_index(torch.tensor(pairs).T, len(positions))
    vectors = positions[topology.senders] - positions[topology.receivers]
    r = vectors.norm(dim=1, keepdim=True)
    radial = torch.exp(-((r - torch.tensor([0.5, 1.0, 2.0])) ** 2))
    return spherical_harmonics(vectors / r, 2), radial, torch.exp(-r[:, 0]), topology


MODULES: dict[str, Callable[[], tuple[list[Layout], nn.Module]]] = {
    "dense": lambda: ([FULL], Dense(FULL, CHANNELS, CHANNELS)),
    "silu": lambda: ([FULL], GatedActivation(FULL)),
    "tensor": lambda: ([FULL, NATURAL], TensorProduct(FULL, NATURAL, CHANNELS, degree=3)),
    "fused": lambda: ([FULL, NATURAL], FusedTensorProduct(FULL, NATURAL, CHANNELS, degree=3)),
    "tensor dense": lambda: ([FULL], TensorDense(FULL, CHANNELS, CHANNELS)),
}


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("name", MODULES)
def test_turned_input_gives_turned_output(name: str, inverted: bool) -> None:
    layouts, module = MODULES[name]()
    output = getattr(module, "layout", layouts[0])
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    R = -random_rotation() if inverted else random_rotation()
    inputs = [features(layout) for layout in layouts]
    turned = module(*(rotate(x, layout, R) for x, layout in zip(inputs, layouts, strict=True)))
    expected = rotate(module(*inputs), output, R)
    torch.testing.assert_close(turned, expected, rtol=0, atol=1e-11)
    assert all(expected[:, block].abs().max() > 1e-2 for block in output.slices())


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("name", ["messages", "attention"])
def test_turned_positions_and_features(name: str, inverted: bool) -> None:
    module: nn.Module = MessagePass(FULL, 2, 3, CHANNELS)
    if name == "attention":
        module = SelfAttention(FULL, 2, 3, CHANNELS, heads=2)
    R = -random_rotation() if inverted else random_rotation()
    positions, x = torch.randn(5, 3), features(FULL)
    outputs = []
    for where, what in ((positions, x), (positions @ R.T, rotate(x, FULL, R))):
        Y, radial, cutoff, topology = graph(where)
        given = (radial, topology) if name == "messages" else (radial, cutoff, topology)
        outputs.append(module(what, Y, *given))
    torch.testing.assert_close(outputs[1], rotate(outputs[0], module.layout, R), rtol=0, atol=1e-11)
    assert all(outputs[0][:, block].abs().max() > 1e-2 for block in module.layout.slices())


def test_scalars_alone_are_ordinary_layers() -> None:
    """Linear layers, activations and products of PyTorch."""
    x, y = features(SCALARS), features(SCALARS)
    dense = Dense(SCALARS, CHANNELS, 3)
    nn.init.normal_(dense.bias)
    linear = nn.Linear(CHANNELS, 3)
    linear.weight.data = dense.mixing.weights[0].detach().T / CHANNELS**0.5
    linear.bias.data = dense.bias.detach()
    torch.testing.assert_close(dense(x)[:, 0], linear(x[:, 0]), rtol=1e-12, atol=1e-14)
    for name, function in ACTIVATIONS.items():
        assert torch.equal(GatedActivation(SCALARS, name)(x), function(x))
    product = TensorProduct(SCALARS, SCALARS, CHANNELS)
    assert product.layout == SCALARS
    torch.testing.assert_close(product(x, y), x * y * product.terms.weight, rtol=1e-14, atol=0)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_scalars_among_others_pass_the_activation(name: str) -> None:
    x = features(FULL)
    found = GatedActivation(FULL, name)(x)
    torch.testing.assert_close(found[:, :1], ACTIVATIONS[name](x[:, :1]), rtol=1e-12, atol=1e-14)
    ratio = ACTIVATIONS[name](x[:, :1]) / x[:, :1]
    torch.testing.assert_close(found, ratio * x, rtol=1e-12, atol=1e-14)


def test_only_even_scalars_have_a_bias() -> None:
    dense = Dense(FULL, CHANNELS, 3)
    nn.init.ones_(dense.bias)
    constant = dense(torch.zeros(1, FULL.dim, CHANNELS))[0]
    expected = torch.zeros(FULL.dim, 3)
    expected[FULL.slice_of(Irrep(0, 1))] = 1.0
    assert torch.equal(constant, expected)
    assert Dense(FULL, CHANNELS, 3, bias=False).bias is None
    assert Dense(Layout([Irrep(1, -1)]), CHANNELS, 3).bias is None
    assert not Dense(FULL, CHANNELS, 3, zero=True)(features(FULL)).any()


@pytest.mark.parametrize("kind", [TensorProduct, FusedTensorProduct])
@pytest.mark.parametrize(("first", "second"), [(NATURAL, NATURAL), (FULL, NATURAL), (FULL, FULL), (SCALARS, FULL)])
def test_products_start_with_unit_variance(kind: type[nn.Module], first: Layout, second: Layout) -> None:
    """Over weights and features; many channels stand for many draws of the weights."""
    channels = 4000
    product = kind(first, second, channels)
    x, y = (torch.randn(8, layout.dim, channels) for layout in (first, second))
    squares = product(x, y).detach().square()
    for block in product.layout.slices():
        assert squares[:, block].mean() == pytest.approx(1.0, rel=0.25)


def test_fused_products_are_products_with_fewer_weights() -> None:
    """The weight of a path is that of its three blocks times a constant."""
    fused, plain = (kind(FULL, NATURAL, CHANNELS, degree=2) for kind in (FusedTensorProduct, TensorProduct))
    norms = fused.output_basis.square().sum(dim=(1, 2)).sqrt()
    starts = torch.tensor([0, *(output[2].dim for output in fused.outputs)]).cumsum(0)
    with torch.no_grad():
        for row, (a, b, c) in enumerate(plain.paths):
            way = fused.outputs.index((a.parity, b.parity, c))
            weight = fused.first_weight[FULL.index(a)] * fused.second_weight[NATURAL.index(b)]
            weight = weight * fused.output_weight[way] * norms[starts[way]]
            count = sum(path[2] == c for path in plain.paths)
            plain.terms.weight[row] = weight * fused_path_constant(1, a.degree, b.degree, c.degree) * count**0.5
    x, y = features(FULL), features(NATURAL)
    torch.testing.assert_close(fused(x, y), plain(x, y), rtol=0, atol=1e-12)


def test_which_blocks_products_reach() -> None:
    assert str(product_layout(NATURAL, NATURAL)) == "0e+1o+1e+2e+2o"
    assert str(product_layout(NATURAL, NATURAL, pseudotensors=False)) == "0e+1o+2e"
    assert product_layout(NATURAL, NATURAL, 4).degree == 4
    assert product_layout(SCALARS, NATURAL) == NATURAL
    assert product_layout(FULL, FULL) == FULL


@pytest.mark.parametrize("kind", [TensorProduct, FusedTensorProduct])
def test_products_that_do_not_exist(kind: type[nn.Module]) -> None:
    with pytest.raises(LayoutError, match=r"a degree of 0 to 3 .* degree 2 with features up to degree 1, got 4"):
        kind(NATURAL, Layout.natural(1), CHANNELS, degree=4)
    product = kind(NATURAL, NATURAL, CHANNELS)
    with pytest.raises(LayoutError, match=r"expected features \[..., 9 components, channels\]"):
        product(features(NATURAL), features(FULL))
    with pytest.raises(LayoutError, match="same number of channels in both tensors, got 4 and 2"):
        product(features(NATURAL), features(NATURAL)[..., :2])


def test_what_else_is_refused() -> None:
    with pytest.raises(LayoutError, match=r"scalars \(0e\), which control the gates, got 1o"):
        GatedActivation(Layout([Irrep(1, -1)]))
    with pytest.raises(LayoutError, match="divides the 4 channels, got 3"):
        SelfAttention(NATURAL, 2, 3, CHANNELS, heads=3)
    with pytest.raises(LayoutError, match="9 components"):
        Dense(NATURAL, CHANNELS, CHANNELS)(features(FULL))


def test_attention_without_neighbors_or_at_the_cutoff() -> None:
    """Numbers and derivatives stay finite where nothing is left to divide by."""
    attention = SelfAttention(NATURAL, 2, 3, CHANNELS)
    Y, radial, cutoff, topology = graph(torch.randn(4, 3))
    for smallest in (0.0, 1e-300, 1e-30):
        x, f_cut = features(NATURAL, 4).requires_grad_(), torch.full_like(cutoff, smallest).requires_grad_()
        found = attention(x, Y, radial * smallest, f_cut, topology)
        gradients = torch.autograd.grad(found.sum(), [x, f_cut])
        assert all(torch.isfinite(values).all() for values in (found, *gradients))
        torch.testing.assert_close(found, torch.zeros_like(found), rtol=0, atol=1e-8)
    alone = EdgeTopology.from_edge_index(torch.zeros(2, 0, dtype=torch.int64), 4)
    assert not attention(features(NATURAL, 4), Y[:0], radial[:0], cutoff[:0], alone).any()
