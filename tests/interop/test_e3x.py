"""Building blocks after E3x against the published package; `scripts/make_e3x_oracles.py` made its numbers.

Its bases of a degree and ours are told from each other by the harmonics of both, the signs of couplings by its
Clebsch-Gordan coefficients. Weights are its weights, with the factors that ours carry at initialisation.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

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
    change_layout,
    coupling_coefficients,
    spherical_harmonics,
)
from potentials.equivariant.e3x.mapped_radial import ExponentialMapping, MappedBasis
from potentials.equivariant.envelopes import cosine_envelope, smooth_envelope
from potentials.kernels import EdgeTopology

ORACLE = dict(np.load(Path(__file__).parent / "oracles" / "e3x.npz"))
METADATA = json.loads(str(ORACLE["metadata"]))
CASES: dict[str, Any] = METADATA["cases"]
CHANNELS = 4
SIZE = METADATA["size"]


@pytest.fixture(autouse=True)
def _float64() -> Any:
    previous = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(previous)


def named(*modules: str) -> list[str]:
    return [case for case, (module, *_) in CASES.items() if module in modules]


@cache
def basis_change(degree: int) -> np.ndarray:
    """B with Y_ours = sqrt(2 l + 1) B Y_E3x, orthogonal."""
    part = slice(degree**2, (degree + 1) ** 2)
    points = torch.from_numpy(ORACLE["harmonics/points"])
    ours = spherical_harmonics(points, degree).numpy()[:, part] / np.sqrt(2 * degree + 1)
    B = np.linalg.lstsq(ORACLE["harmonics/values"][:, part], ours, rcond=None)[0].T
    np.testing.assert_allclose(B @ B.T, np.eye(2 * degree + 1), atol=1e-10)
    return B


@cache
def coupling_sign(l1: int, l2: int, l3: int) -> float:
    """Of our coupling coefficients against E3x's, which are the same otherwise."""
    blocks = [slice(degree**2, (degree + 1) ** 2) for degree in (l1, l2, l3)]
    theirs = ORACLE["couplings"][blocks[0], blocks[1], blocks[2]]
    changed = np.einsum("abc,ia,jb,kc->ijk", theirs, *(basis_change(degree) for degree in (l1, l2, l3)))
    ours = coupling_coefficients(l1, l2, l3)
    sign = float(np.sign((changed * ours).sum()))
    np.testing.assert_allclose(changed, sign * ours, atol=1e-6)
    return sign


def layout_of(parities: int, degree: int) -> Layout:
    return Layout.full(degree) if parities == 2 else Layout.natural(degree)


def place(parities: int, irrep: Irrep) -> int:
    """Where E3x keeps blocks of this parity."""
    return int(parities == 2 and irrep.parity < 0)


def to_ours(values: np.ndarray) -> tuple[Tensor, Layout]:
    """[N, P, (L + 1)^2, C] to ours."""
    parities, degree = values.shape[1], round(values.shape[2] ** 0.5) - 1
    layout = layout_of(parities, degree)
    blocks = []
    for irrep in layout:
        part = values[:, place(parities, irrep), irrep.degree**2 : (irrep.degree + 1) ** 2]
        blocks.append(np.einsum("ij,njc->nic", basis_change(irrep.degree), part))
    return torch.from_numpy(np.concatenate(blocks, axis=1)), layout


def inputs(case: str) -> list[tuple[Tensor, Layout]]:
    return [to_ours(ORACLE[f"{case}/input{number}"]) for number in range(len(CASES[case][2]))]


def settings(case: str) -> dict[str, Any]:
    given = CASES[case][1]
    names = {"max_degree": "degree", "include_pseudotensors": "pseudotensors", "num_heads": "heads"}
    return {ours: given[theirs] for theirs, ours in names.items() if theirs in given}


def parameter(case: str, name: str) -> np.ndarray:
    return ORACLE[f"{case}/parameters/{name}"]


def expect(case: str, found: Tensor, layout: Layout) -> None:
    """Our output is E3x's; blocks that ours has not are zeros there."""
    expected, full = to_ours(ORACLE[f"{case}/output"])
    assert set(layout) <= set(full)
    torch.testing.assert_close(change_layout(found, layout, full), expected, rtol=1e-6, atol=1e-6)
    assert expected.abs().max() > 0.1


def fill_dense(dense: Dense, case: str, parities: int, prefix: str = "") -> None:
    """Take over the matrices, in the order of the blocks."""
    with torch.no_grad():
        for irrep, weight in zip(dense.layout, dense.mixing.weights, strict=True):
            sign = "+" if irrep.parity > 0 else "-"
            kernel = parameter(case, f"{prefix}{irrep.degree}{sign}/kernel")
            weight.copy_(torch.from_numpy(kernel) * kernel.shape[0] ** 0.5)
        if dense.bias is not None:
            dense.bias.copy_(torch.from_numpy(parameter(case, f"{prefix}0+/bias")))


@cache
def exchange_sign(l1: int, l2: int, l3: int) -> float:
    """Of our coupling when its first two factors are exchanged."""
    exchanged = coupling_coefficients(l2, l1, l3).transpose(1, 0, 2)
    sign = float(np.sign((exchanged * coupling_coefficients(l1, l2, l3)).sum()))
    np.testing.assert_allclose(exchanged, sign * coupling_coefficients(l1, l2, l3), atol=1e-12)
    return sign


def fill_paths(weight: Tensor, kernel: np.ndarray, paths: Any) -> None:
    """Weights of paths (first, second, product) from the kernel [P1, L1, P2, L2, P3, L3, C]."""
    counts = [sum(path[2] == other[2] for other in paths) for path in paths]
    for row, ((a, b, c), count) in enumerate(zip(paths, counts, strict=True)):
        p1, p2, p3 = (place(kernel.shape[2 * n], irrep) for n, irrep in enumerate((a, b, c)))
        value = kernel[p1, a.degree, p2, b.degree, p3, c.degree]
        factor = coupling_sign(a.degree, b.degree, c.degree) * count**0.5
        with torch.no_grad():
            weight[row] = torch.from_numpy(value * factor)


@pytest.mark.parametrize("case", named("Dense"))
def test_dense(case: str) -> None:
    ((x, layout),) = inputs(case)
    dense = Dense(layout, CHANNELS, 3)
    fill_dense(dense, case, CASES[case][2][0][0])
    expect(case, dense(x), dense.layout)


@pytest.mark.parametrize("case", named("Tensor"))
def test_tensor_products(case: str, kernels: str) -> None:
    (x, first), (y, second) = inputs(case)
    product = TensorProduct(first, second, CHANNELS, **settings(case))
    fill_paths(product.terms.weight, parameter(case, "kernel"), product.paths)
    expect(case, product(x, y), product.layout)


@pytest.mark.parametrize("case", named("FusedTensor"))
def test_fused_tensor_products(case: str) -> None:
    (x, first), (y, second) = inputs(case)
    product = FusedTensorProduct(first, second, CHANNELS, **settings(case))
    k = -(-max(first.degree, second.degree, product.layout.degree) // 2)
    with torch.no_grad():
        for number, layout, weight in ((1, first, product.first_weight), (2, second, product.second_weight)):
            for row, irrep in enumerate(layout):
                kernel = parameter(case, f"kernel_{'e' if irrep.parity > 0 else 'o'}{number}")[irrep.degree]
                weight[row] = torch.from_numpy(kernel * coupling_sign(k, k, irrep.degree))
        scales = product.output_basis.square().sum(dim=(1, 2)).sqrt()
        start = 0
        for row, (p, q, irrep) in enumerate(product.outputs):
            name = "".join("e" if parity > 0 else "o" for parity in (p, q, irrep.parity))
            kernel = parameter(case, f"kernel_{name}")[irrep.degree]
            # The factor of the initial variance is in the basis, whose matrices have norm one otherwise.
            weight = kernel * coupling_sign(k, k, irrep.degree) / scales[start].item()
            product.output_weight[row] = torch.from_numpy(weight)
            start += irrep.dim
    expect(case, product(x, y), product.layout)


@pytest.mark.parametrize("case", named("TensorDense"))
def test_tensor_dense(case: str) -> None:
    ((x, layout),) = inputs(case)
    features = CASES[case][1].get("features", CHANNELS)
    module = TensorDense(layout, CHANNELS, features, settings(case).get("degree"))
    fill_dense(module.dense, case, CASES[case][2][0][0], "dense/")
    fill_paths(module.product.terms.weight, parameter(case, "tensor/kernel"), module.product.paths)
    expect(case, module(x), module.layout)


def graph() -> tuple[Tensor, Tensor, Tensor, EdgeTopology]:
    """Harmonics, the radial basis, the cutoff and the edges; E3x's basis is the product of the first two."""
    receivers, senders = (torch.from_numpy(ORACLE[f"graph/{name}"]) for name in ("receivers", "senders"))
    positions = torch.from_numpy(ORACLE["graph/positions"])
    Y = spherical_harmonics(torch.nn.functional.normalize(positions[senders] - positions[receivers]), 2)
    radial = torch.from_numpy(ORACLE["graph/basis"][:, 0, 0])
    topology = EdgeTopology.from_edge_index(torch.stack([senders, receivers]), len(positions))
    return Y, radial, torch.from_numpy(ORACLE["graph/cutoff"]), topology


def fill_messages(messages: MessagePass, case: str) -> None:
    filters = messages.filters
    with torch.no_grad():
        for row, degree in enumerate(filters.degrees):
            kernel = parameter(case, f"filter/{degree}{'+-'[degree % 2]}/kernel")
            filters.weight[:, row] = torch.from_numpy(kernel * SIZE**0.5)
    # E3x multiplies filters with features, we features with filters.
    paths = [(Irrep(degree, (-1) ** degree), source, target) for source, degree, target in messages.coupling.paths]
    fill_paths(messages.paths.weight, parameter(case, "tensor/kernel"), paths)
    with torch.no_grad():
        for row, (a, b, c) in enumerate(paths):
            messages.paths.weight[row] *= exchange_sign(a.degree, b.degree, c.degree)


@pytest.mark.parametrize("case", named("MessagePass"))
def test_message_passing(case: str, kernels: str) -> None:
    ((x, layout),) = inputs(case)
    Y, radial, _, topology = graph()
    messages = MessagePass(layout, 2, SIZE, CHANNELS, **settings(case))
    fill_messages(messages, case)
    expect(case, messages(x, Y, radial, topology), messages.layout)


@pytest.mark.parametrize("case", named("SelfAttention"))
def test_attention(case: str, kernels: str) -> None:
    """E3x gives channel f of queries and keys to head f mod H, of values to head f // (C / H); we always do the latter,
    so their columns of queries, keys and encodings are sorted by head."""
    ((x, layout),) = inputs(case)
    Y, radial, cutoff, topology = graph()
    module = SelfAttention(layout, 2, SIZE, CHANNELS, **settings(case))
    fill_messages(module.messages, case)
    parities = CASES[case][2][0][0]
    fill_dense(module.value, case, parities, "value/")
    fill_dense(module.output, case, parities, "out/")
    heads = settings(case).get("heads", 1)
    by_head = np.argsort(np.arange(CHANNELS) % heads, kind="stable")
    with torch.no_grad():
        for name, dense in (("query", module.weights.query), ("key", module.weights.key)):
            fill_dense(dense, case, parities, f"{name}/")
            for weight in dense.mixing.weights:
                weight.copy_(weight[:, by_head].clone())
        kernel = parameter(case, "relative_positional_encoding/kernel")
        blocks = kernel.reshape(SIZE, parities, -1, CHANNELS)
        ordered = [blocks[:, place(parities, irrep), irrep.degree][:, by_head] for irrep in layout]
        module.encoding.weight.copy_(torch.from_numpy(np.concatenate(ordered, axis=1) * SIZE**0.5))
    expect(case, module(x, Y, radial, cutoff, topology), module.layout)


@pytest.mark.parametrize("case", ["silu", "gelu", "mish"])
def test_activations(case: str) -> None:
    ((x, layout),) = inputs(case)
    expect(case, GatedActivation(layout, case)(x), layout)


BASES = [name.removeprefix("radial/") for name in ORACLE if name.startswith("radial/") and "-" in name]


@pytest.mark.parametrize("name", BASES)
def test_radial_functions(name: str) -> None:
    functions, mapping = name.split("-")
    r = torch.from_numpy(ORACLE["radial/distances"]).unsqueeze(1)
    # Beyond the cutoff, where the envelope is zero, functions without a mapping may be anything.
    inside = (r < METADATA["cutoff"]).squeeze(1) if mapping == "none" else torch.ones(len(r), dtype=torch.bool)
    basis = MappedBasis(functions, mapping, SIZE, METADATA["cutoff"])
    if isinstance(basis.mapping, ExponentialMapping):
        gamma = METADATA["gamma"]
        basis.mapping.exponent.data.fill_(np.log(np.expm1(gamma)))
    values, _ = basis(r)
    expected = torch.from_numpy(ORACLE[f"radial/{name}"])
    torch.testing.assert_close(values[inside].detach(), expected[inside], rtol=1e-9, atol=1e-9)


def test_all_radial_functions_are_there() -> None:
    assert len(BASES) == 4 * 6 + 1


@pytest.mark.parametrize(("name", "envelope"), [("smooth", smooth_envelope), ("cosine", cosine_envelope)])
def test_cutoffs(name: str, envelope: Any) -> None:
    r = torch.from_numpy(ORACLE["radial/distances"])
    expected = torch.from_numpy(ORACLE[f"radial/{name}_cutoff"])
    torch.testing.assert_close(envelope(r / METADATA["cutoff"])[0], expected, rtol=1e-9, atol=1e-12)
    assert expected[-1] == 0.0
