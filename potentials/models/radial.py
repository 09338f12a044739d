"""Radial bases with envelopes that are smoothly zero at the cutoff, and their derivatives in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from ase.data import atomic_numbers, covalent_radii
from torch import Tensor, nn

from potentials.config.families import RadialConfig
from potentials.equivariant.e3x.mapped_radial import chebyshev_polynomials
from potentials.equivariant.envelopes import (
    ValuesAndSlopes,
    cosine_envelope,
    polynomial_envelope,
    smooth_envelope,
    xplor_envelope,
)
from potentials.models.radial_functions import RadialFunctions


class BesselBasis(nn.Module):
    """sqrt(2 / r_c) sin(w_n r) / r with w_n = n pi / r_c. Gasteiger et al. 2020, eq. 7."""

    def __init__(self, size: int, cutoff: float, trainable: bool) -> None:
        super().__init__()
        self.prefactor = math.sqrt(2 / cutoff)
        # On the CPU even while a model is built on the meta device, where torch.arange imports PyTorch's compiler,
        # which takes seconds.
        frequencies = torch.arange(1, size + 1, dtype=torch.get_default_dtype(), device="cpu") * (math.pi / cutoff)
        self.frequencies = nn.Parameter(frequencies, requires_grad=trainable)

    def forward(self, distances: Tensor) -> ValuesAndSlopes:
        """Map distances [W, 1] in A to functions [W, size] and derivatives [W, size]."""
        phases, scaled = self.frequencies * distances, self.prefactor / distances
        values = torch.sin(phases) * scaled
        slopes = torch.cos(phases) * self.frequencies * scaled - values / distances
        # At short distances these terms cancel: float32 has three digits left at 0.001 A.
        series = self.prefactor * self.frequencies**2 * _sinc_slope_series(phases)
        return values, torch.where(phases < _SMALL_PHASE, series, slopes)


_SMALL_PHASE = 0.1
"""Below this phase the series is more accurate than the closed form in both precisions."""


def _sinc_slope_series(x: Tensor) -> Tensor:
    """Compute (x cos x - sin x) / x^2 = -x / 3 + x^3 / 30 - x^5 / 840 + x^7 / 45360, to 1e-14 for x < 0.1."""
    y = x**2
    return x * (-1 / 3 + y * (1 / 30 + y * (-1 / 840 + y / 45360)))


class GaussianBasis(nn.Module):
    """exp(-(r - mu_n)^2 / (2 s^2)), the centers mu_n evenly spaced from 0 to the cutoff, s their spacing."""

    def __init__(self, size: int, cutoff: float, trainable: bool) -> None:
        super().__init__()
        self.spacing = cutoff / max(size - 1, 1)
        centers = torch.linspace(0, cutoff, size, dtype=torch.get_default_dtype(), device="cpu")
        self.centres = nn.Parameter(centers, requires_grad=trainable)  # name used in model files

    def forward(self, distances: Tensor) -> ValuesAndSlopes:
        """Map distances [W, 1] in A to functions [W, size] and derivatives [W, size]."""
        offsets = (distances - self.centres) / self.spacing
        values = torch.exp(-0.5 * offsets**2)
        return values, values * offsets / -self.spacing


class ChebyshevBasis(nn.Module):
    """Chebyshev polynomials T_1 to T_n of 1 - 2 r / r_c, computed by recursion."""

    def __init__(self, size: int, cutoff: float) -> None:
        super().__init__()
        self.size = size
        self.cutoff = cutoff

    def forward(self, distances: Tensor) -> ValuesAndSlopes:
        """Map distances [W, 1] in A to functions [W, size] and derivatives [W, size]."""
        x = 1 - 2 * distances / self.cutoff
        values, slopes = chebyshev_polynomials(x, self.size + 1)
        return values[:, 1:], slopes[:, 1:] * (-2 / self.cutoff)


class AgnesiTransform(nn.Module):
    """1 / (1 + a x^q / (1 + x^(q - p))) of x = r / r_0, r_0 half the sum of the covalent radii.

    Witt et al., "ACEpotentials.jl" (2023), with the constants of MACE-MP-0b; maps (0, inf) A to (1, 0).
    """

    A, Q, P = 1.0805, 0.9183, 4.5791
    radii: Tensor

    def __init__(self, elements: Sequence[str]) -> None:
        super().__init__()
        radii = [covalent_radii[atomic_numbers[symbol]] for symbol in elements]
        self.register_buffer("radii", torch.tensor(radii, dtype=torch.get_default_dtype()), persistent=False)

    def forward(self, distances: Tensor, sender_species: Tensor, receiver_species: Tensor) -> ValuesAndSlopes:
        """Map distances [W, 1] in A and the species of both atoms [W] to values [W, 1] and derivatives [W, 1]."""
        x = distances / (0.5 * (self.radii[sender_species] + self.radii[receiver_species])).unsqueeze(1)
        numerator, rest = self.A * x**self.Q, x ** (self.Q - self.P)
        ratio = numerator / (1 + rest)
        value = 1 / (1 + ratio)
        # x d(ratio)/dx = ratio (q - (q - p) rest / (1 + rest)), and x / dx is r / dr.
        steepness = ratio * (self.Q - (self.Q - self.P) * rest / (1 + rest))
        return value, -(value**2) * steepness / distances


class RadialBasis(nn.Module):
    """Basis of the (transformed) distance times the envelope of the distance.

    Args:
        config: configuration of basis and envelope.
        cutoff: cutoff radius, A.
        elements: chemical symbols, for the transform of the distance.
        enveloped: false if the family multiplies by `envelope` itself, after its network.
        basis: map of distances [W, 1] in A to `config.size` functions [W, size] and derivatives, for a family with its
            own basis.
    """

    def __init__(
        self,
        config: RadialConfig,
        cutoff: float,
        elements: Sequence[str],
        enveloped: bool = True,
        basis: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.enveloped = enveloped
        self.size = config.size
        self.cutoff = cutoff
        self.envelope = _envelope(config)
        self.break_point = config.envelope_onset * cutoff if config.envelope == "xplor" else None
        """Distance below the cutoff at which the second derivative is discontinuous, A; None if there is none."""
        self.transform = AgnesiTransform(elements) if config.distance_transform == "agnesi" else None
        if basis is not None:
            self.basis = basis
        elif config.basis == "bessel":
            self.basis = BesselBasis(config.size, cutoff, config.trainable)
        elif config.basis == "gaussian":
            self.basis = GaussianBasis(config.size, cutoff, config.trainable)
        else:
            self.basis = ChebyshevBasis(config.size, cutoff)

    @property
    def depends_on_species(self) -> bool:
        """Whether the functions depend on the species of both atoms, and not only on their distance."""
        return self.transform is not None

    def forward(
        self, distances: Tensor, sender_species: Tensor | None = None, receiver_species: Tensor | None = None
    ) -> RadialFunctions:
        """Map distances [W, 1] in A to radial functions [W, size].

        The species of both atoms [W] are only required if the functions depend on them.
        """

        def at(r: Tensor) -> ValuesAndSlopes:
            argument, stretch = (r, None)
            if self.transform is not None:
                argument, stretch = self.transform(r, sender_species, receiver_species)
            values, slopes = self.basis(argument)
            if stretch is not None:
                slopes = slopes * stretch
            if not self.enveloped:
                return values, slopes
            envelope, slope = self.envelope(r / self.cutoff)
            return values * envelope, slopes * envelope + values * (slope / self.cutoff)

        return RadialFunctions(*at(distances.detach()), distances, at)


def _envelope(config: RadialConfig) -> Callable[[Tensor], ValuesAndSlopes]:
    if config.envelope == "polynomial":
        return partial(polynomial_envelope, power=config.envelope_power)
    if config.envelope == "xplor":
        return partial(xplor_envelope, onset=config.envelope_onset)
    return {"cosine": cosine_envelope, "smooth": smooth_envelope}[config.envelope]
