"""Activations by quadrature, and the gate against e3nn's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from e3nn import nn, o3
from torch import Tensor

from potentials.equivariant import Gate, Irrep, Layout, ScaledActivation

CLOSED_FORMS = {"silu": lambda x: x / (1 + np.exp(-x)), "tanh": np.tanh}


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_unit_second_moment(name: str) -> None:
    # Gauss-Hermite quadrature of E[f(z)^2]. The factor is e3nn's Monte-Carlo estimate, good to 0.4 %.
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    values = ScaledActivation(name)(torch.from_numpy(nodes)).numpy()
    assert abs((weights * values**2).sum() / weights.sum() - 1) < 4e-3


@pytest.mark.parametrize("factor", [None, 2**0.5])
@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_values(name: str, factor: float | None) -> None:
    x = torch.linspace(-4, 4, 33, dtype=torch.float64)
    activation = ScaledActivation(name, factor)
    np.testing.assert_allclose(activation(x), activation.factor * CLOSED_FORMS[name](x.numpy()), rtol=1e-14)
    if factor is not None:
        assert activation.factor == factor


def to_e3nn(features: Tensor, layout: Layout) -> Tensor:
    return torch.cat([features[:, part].transpose(1, 2).flatten(1) for part in layout.slices()], dim=1)


@pytest.mark.parametrize(
    "layout",
    [Layout.natural(0), Layout.natural(2), Layout.full(2), Layout([Irrep(0, 1), Irrep(1, -1), Irrep(1, 1)])],
    ids=str,
)
def test_gate_is_that_of_e3nn(layout: Layout) -> None:
    channels = 4
    generator = torch.Generator().manual_seed(0)
    gate = Gate(layout)
    features = torch.randn(5, layout.dim, channels, generator=generator, dtype=torch.float64)
    gates = torch.randn(5, len(gate.gated), channels, generator=generator, dtype=torch.float64)

    scalars = [irrep for irrep in layout if irrep.degree == 0]
    others = [irrep for irrep in layout if irrep.degree > 0]
    oracle = nn.Gate(
        [(channels, (0, irrep.parity)) for irrep in scalars],
        [torch.nn.functional.silu if irrep.parity > 0 else torch.tanh for irrep in scalars],
        [(channels, (0, 1)) for _ in others],
        [torch.nn.functional.silu for _ in others],
        [(channels, (irrep.degree, irrep.parity)) for irrep in others],
    )
    # e3nn takes everything side by side, sorted by degree and parity; of equal ones the gates come last.
    blocks = [(irrep, features[:, part]) for irrep, part in zip(layout, layout.slices(), strict=True)]
    blocks += [(Irrep(0, 1), gates[:, number, None]) for number in range(len(others))]
    blocks.sort(key=lambda block: block[0])
    parts = [values.transpose(1, 2).flatten(1) for _, values in blocks]
    assert oracle.irreps_in.dim == sum(part.shape[1] for part in parts)
    assert oracle.irreps_out == o3.Irreps([(channels, (irrep.degree, irrep.parity)) for irrep in layout])
    torch.testing.assert_close(to_e3nn(gate(features, gates), layout), oracle(torch.cat(parts, dim=1)))
