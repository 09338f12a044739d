"""Radial bases and envelopes against their closed forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.polynomial import chebyshev
from pydantic import ValidationError
from scipy.special import spherical_jn
from torch import Tensor

from potentials.config import RadialConfig
from potentials.models.blocks import RadialNetwork
from potentials.models.radial import (
    AgnesiTransform,
    BesselBasis,
    ChebyshevBasis,
    GaussianBasis,
    RadialBasis,
    cosine_envelope,
    polynomial_envelope,
    smooth_envelope,
)

CUTOFF = 4.0
SIZE = 5
DISTANCES = torch.linspace(0.3, 3.99, 40, dtype=torch.float64).unsqueeze(1)
ELEMENTS = ["H", "C", "O"]


@pytest.fixture(autouse=True)
def _float64() -> Any:
    previous = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(previous)


def test_bessel() -> None:
    r, n = DISTANCES.numpy(), np.arange(1, SIZE + 1)
    expected = np.sqrt(2 / CUTOFF) * np.sin(n * np.pi * r / CUTOFF) / r
    np.testing.assert_allclose(BesselBasis(SIZE, CUTOFF, False)(DISTANCES)[0].detach(), expected, rtol=0, atol=1e-14)


def test_bessel_functions_are_orthonormal() -> None:
    # Over the ball, without the angles: integral of f_m f_n r^2 dr.
    r = torch.linspace(0, CUTOFF, 4001)[1:].unsqueeze(1)
    values = BesselBasis(SIZE, CUTOFF, False)(r)[0].detach() * r
    gram = values.T @ values * (CUTOFF / 4000)
    torch.testing.assert_close(gram, torch.eye(SIZE), rtol=0, atol=1e-10)


def test_gaussian() -> None:
    r, centers = DISTANCES.numpy(), np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    expected = np.exp(-((r - centers) ** 2) / 2)
    np.testing.assert_allclose(GaussianBasis(SIZE, CUTOFF, False)(DISTANCES)[0].detach(), expected, rtol=1e-13)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_chebyshev(size: int) -> None:
    x = 1 - 2 * DISTANCES.numpy() / CUTOFF
    expected = np.concatenate([chebyshev.chebval(x, np.eye(size + 1)[n]) for n in range(1, size + 1)], axis=1)
    np.testing.assert_allclose(ChebyshevBasis(size, CUTOFF)(DISTANCES)[0], expected, rtol=0, atol=1e-13)


def test_a_single_gaussian() -> None:
    assert torch.isfinite(GaussianBasis(1, CUTOFF, False)(DISTANCES)[0]).all()


def agnesi(r: float, radius_1: float, radius_2: float) -> float:
    x = r / (0.5 * (radius_1 + radius_2))
    return 1 / (1 + 1.0805 * x**0.9183 / (1 + x ** (0.9183 - 4.5791)))


def test_agnesi_transform() -> None:
    # Covalent radii by Cordero et al. (2008): H 0.31, C 0.76, O 0.66.
    distances = torch.tensor([[0.5], [1.5], [4.0]])
    found, _ = AgnesiTransform(ELEMENTS)(distances, torch.tensor([0, 1, 2]), torch.tensor([0, 2, 1]))
    expected = [agnesi(0.5, 0.31, 0.31), agnesi(1.5, 0.76, 0.66), agnesi(4.0, 0.66, 0.76)]
    np.testing.assert_allclose(found.squeeze(1), expected, rtol=1e-14)


POLYNOMIALS = {f"polynomial {p}": p for p in (2, 5, 6, 8)}
ENVELOPES: dict[str, Callable[[Tensor], Tensor]] = {
    **{name: lambda x, p=p: polynomial_envelope(x, p)[0] for name, p in POLYNOMIALS.items()},
    "cosine": lambda x: cosine_envelope(x)[0],
    "smooth": lambda x: smooth_envelope(x)[0],
}


@pytest.mark.parametrize(("name", "p"), POLYNOMIALS.items())
def test_polynomial_envelope(name: str, p: int) -> None:
    x = np.linspace(0, 0.999, 50)
    expected = 1 - (p + 1) * (p + 2) / 2 * x**p + p * (p + 2) * x ** (p + 1) - p * (p + 1) / 2 * x ** (p + 2)
    np.testing.assert_allclose(ENVELOPES[name](torch.from_numpy(x)), expected, rtol=0, atol=1e-13)


def test_cosine_and_smooth_envelope() -> None:
    x = np.linspace(0, 0.999, 50)
    np.testing.assert_allclose(cosine_envelope(torch.from_numpy(x))[0], 0.5 + 0.5 * np.cos(np.pi * x), atol=1e-15)
    np.testing.assert_allclose(smooth_envelope(torch.from_numpy(x))[0], np.exp(1 - 1 / (1 - x**2)), atol=1e-15)


def derivatives(function: Callable[[Tensor], Tensor], x: Tensor) -> list[Tensor]:
    """Value, first and second derivative of a function applied entry by entry."""
    x = x.clone().requires_grad_()
    value = function(x)
    (first,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    return [value.detach(), first.detach(), second]


@pytest.mark.parametrize("name", ENVELOPES)
def test_envelopes_start_at_one_and_fall(name: str) -> None:
    x = torch.linspace(0, 1, 101)
    values = ENVELOPES[name](x)
    assert values[0] == 1
    assert (values.diff() <= 0).all()


@pytest.mark.parametrize("name", ENVELOPES)
def test_envelopes_are_exactly_zero_from_the_cutoff_on(name: str) -> None:
    # Derivatives too, and none of them is NaN.
    for values in derivatives(ENVELOPES[name], torch.tensor([1.0, 1.0 + 1e-12, 1.5, 100.0])):
        assert torch.equal(values, torch.zeros(4))


@pytest.mark.parametrize("name", [*POLYNOMIALS, "smooth"])
def test_envelopes_vanish_with_two_derivatives(name: str) -> None:
    # At the distance d inside as d^3, d^2 and d, or faster: the third derivative of a polynomial is -p (p + 1) (p + 2).
    third = POLYNOMIALS[name] * (POLYNOMIALS[name] + 1) * (POLYNOMIALS[name] + 2) if name in POLYNOMIALS else 1
    for d in (1e-3, 1e-4):
        value, first, second = derivatives(ENVELOPES[name], torch.tensor([1 - d]))
        assert abs(value) <= 1.01 * third * d**3 / 6 + 1e-15
        assert abs(first) <= 1.01 * third * d**2 / 2 + 1e-12
        assert abs(second) <= 1.01 * third * d + 1e-12


def test_the_cosine_has_one_derivative_only() -> None:
    value, first, second = derivatives(ENVELOPES["cosine"], torch.tensor([1 - 1e-6]))
    assert value < 1e-11
    assert abs(first) < 1e-5
    assert abs(second - np.pi**2 / 2) < 1e-6


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_slopes_of_bessel_functions_at_any_distance(dtype: torch.dtype, tolerance: float) -> None:
    """d/dr sin(w r) / r = -w^2 j_1(w r), also where two terms cancel that are a million times larger than their sum."""
    basis = BesselBasis(SIZE, CUTOFF, False).to(dtype)
    r = torch.cat([torch.logspace(-5, 0, 200, dtype=dtype), torch.linspace(0.01, CUTOFF, 200, dtype=dtype)])[:, None]
    w = basis.frequencies.detach().double().numpy()
    expected = -((2 / CUTOFF) ** 0.5) * w**2 * spherical_jn(1, w * r.double().numpy())
    found = basis(r)[1].detach().double().numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def test_derivatives_of_bessel_slopes_at_short_distances() -> None:
    """On both sides of the distance at which a series takes over."""
    basis = BesselBasis(SIZE, CUTOFF, False)
    r = torch.tensor([[1e-3], [0.01], [0.02], [0.05], [0.1], [0.3]], requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: basis(x)[1], r, eps=1e-7, atol=1e-6)


BASES = {"bessel": BesselBasis, "gaussian": GaussianBasis}
SPECIES = torch.tensor([0, 1] * 20), torch.tensor([2, 1] * 20)


@pytest.mark.parametrize("envelope", ["polynomial", "cosine", "smooth"])
@pytest.mark.parametrize("basis", ["bessel", "gaussian", "chebyshev"])
@pytest.mark.parametrize("transform", ["none", "agnesi"])
def test_radial_basis_is_basis_times_envelope(basis: str, envelope: str, transform: str) -> None:
    config = RadialConfig(basis=basis, size=SIZE, envelope=envelope, envelope_power=6, distance_transform=transform)
    found = RadialBasis(config, CUTOFF, ELEMENTS)(DISTANCES, *SPECIES).values.detach()
    functions = ChebyshevBasis(SIZE, CUTOFF) if basis == "chebyshev" else BASES[basis](SIZE, CUTOFF, False)
    argument = DISTANCES if transform == "none" else AgnesiTransform(ELEMENTS)(DISTANCES, *SPECIES)[0]
    # The envelope sees the distance itself.
    factor = ENVELOPES["polynomial 6" if envelope == "polynomial" else envelope](DISTANCES / CUTOFF)
    torch.testing.assert_close(found, functions(argument)[0].detach() * factor, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("envelope", ["polynomial", "cosine", "smooth"])
@pytest.mark.parametrize("basis", ["bessel", "gaussian", "chebyshev"])
@pytest.mark.parametrize("transform", ["none", "agnesi"])
def test_slopes_are_the_derivatives_of_the_values(basis: str, envelope: str, transform: str) -> None:
    config = RadialConfig(basis=basis, size=SIZE, envelope=envelope, envelope_power=6, distance_transform=transform)
    radial = RadialBasis(config, CUTOFF, ELEMENTS)
    r = DISTANCES.clone().requires_grad_()
    functions = radial(r, *SPECIES)
    assert not functions.values.requires_grad
    for at in (functions.at(r), (functions.connected(), functions.slopes)):
        for number in range(SIZE):
            (expected,) = torch.autograd.grad(at[0][:, number].sum(), r, retain_graph=True)
            torch.testing.assert_close(at[1][:, number : number + 1].detach(), expected, rtol=1e-11, atol=1e-12)


def test_connected_functions_have_all_derivatives() -> None:
    radial = RadialBasis(RadialConfig(size=SIZE), CUTOFF, ELEMENTS)
    network = RadialNetwork([SIZE, 6, 3])
    r = DISTANCES[::6].clone().requires_grad_()
    species = SPECIES[0][::6], SPECIES[1][::6]

    def outputs(distances: Tensor) -> Tensor:
        return network(radial(distances, *species)).connected()

    assert torch.autograd.gradcheck(outputs, r)
    assert torch.autograd.gradgradcheck(outputs, r)


def test_functions_beyond_the_cutoff_are_zero_with_their_slopes() -> None:
    found = RadialBasis(RadialConfig(size=SIZE), CUTOFF, ELEMENTS)(
        torch.full((3, 1), 4.1), SPECIES[0][:3], SPECIES[1][:3]
    )
    assert torch.equal(found.values.detach(), torch.zeros(3, SIZE))
    assert torch.equal(found.slopes.detach(), torch.zeros(3, SIZE))


@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.parametrize("basis", BASES)
def test_trainable(basis: str, trainable: bool) -> None:
    radial = RadialBasis(RadialConfig(basis=basis, trainable=trainable), CUTOFF, ELEMENTS)
    assert [parameter.requires_grad for parameter in radial.parameters()] == [trainable]


@pytest.mark.parametrize(
    "wrong",
    [
        {"basis": "bessle"},
        {"size": 0},
        {"envelope": "cubic"},
        {"envelope_power": 1},
        {"distance_transform": "log"},
        {"trainable": 1},
        {"powers": 3},
    ],
    ids=str,
)
def test_wrong_configurations(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        RadialConfig.model_validate(wrong)


def test_radial_functions_of_a_network_to_the_third_derivative() -> None:
    """With respect to the distances, against finite differences of the second derivatives."""
    torch.manual_seed(0)
    basis = RadialBasis(RadialConfig(basis="bessel", size=4), 5.0, ["H"]).double()
    network = RadialNetwork([4, 6, 3]).double()
    species = torch.zeros(3, dtype=torch.int64)

    def second(r: torch.Tensor) -> torch.Tensor:
        values = network(basis(r, species, species)).connected()
        (first,) = torch.autograd.grad((values**2).sum(), r, create_graph=True)
        (derivative,) = torch.autograd.grad((first**2).sum(), r, create_graph=True)
        return derivative

    r = torch.tensor([[1.0], [2.5], [4.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(second, (r,))
