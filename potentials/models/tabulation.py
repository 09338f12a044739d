"""Tabulation of radial networks as splines of the distance, for inference."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from potentials.equivariant.envelopes import ValuesAndSlopes
from potentials.errors import PotentialsError
from potentials.kernels import EdgeTopology, MessageTable, RadialSplines, spline_message_sum
from potentials.kernels.message_passing import evaluate_splines
from potentials.models.blocks import EdgeEmbedding
from potentials.models.radial import RadialBasis
from potentials.models.radial_functions import RadialFunctions, RadialMap

_FIRST_KNOT = 1e-3
"""A; some bases divide by the distance. Below this distance the first polynomial is extrapolated."""
_BETWEEN = (0.25, 0.5, 0.75)
"""Positions in each interval at which the error of a spline is measured; it is largest near the middle."""
_BESIDE = 1e-9
"""A; distance from a discontinuity at which a derivative of its side is taken."""
_SMALLEST_SCALE = 1e-6
"""Lower bound of a function's magnitude, relative to the largest of its network, to avoid division by zero."""


class TabulatedFunctions(NamedTuple):
    """`RadialFunctions` represented by splines."""

    splines: RadialSplines
    distances: Tensor
    """[W, 1] A."""

    def connected(self) -> Tensor:
        """Return the values [W, F] as differentiable functions of the distances."""
        return evaluate_splines(self.splines, self.distances)[0]

    def message_sum(self, table: MessageTable, h: Tensor, Y: Tensor, topology: EdgeTopology) -> Tensor:
        """Call `potentials.kernels.spline_message_sum` with the splines as weights."""
        return spline_message_sum(table, h, Y, self.distances, self.splines, topology)


class TabulatedNetwork(nn.Module):
    """A radial network of a radial basis as quintic splines, constructed in float64.

    Args:
        basis: the radial basis; it may only depend on the distance.
        network: network of the basis functions; the coefficients have the dtype of its parameters.
        knots: number of knots, evenly spaced up to the cutoff; somewhat fewer or more if one must lie where the second
            derivative of the basis is discontinuous.
    """

    coefficients: Tensor

    def __init__(self, basis: RadialBasis, network: RadialMap, knots: int) -> None:
        super().__init__()
        self.num_knots, self.start, self.step = _grid(basis, knots)
        dtype = next(network.parameters()).dtype
        # The curvature may be discontinuous at the cutoff, as for the cosine envelope: take that from inside.
        r = self._distances([0.0]).clamp(max=math.nextafter(basis.cutoff, 0.0))
        at = _in_double_precision(basis, network)
        value, slope, curvature = _with_curvature(at, r)
        last = torch.stack([value, slope * self.step, curvature * self.step**2], dim=1)
        first = last.clone()
        if basis.break_point is not None:
            number = round((basis.break_point - self.start) / self.step)
            for side, ends in ((-1, last), (1, first)):
                _, _, beside = _with_curvature(at, r[number : number + 1] + side * _BESIDE)
                ends[number, 2] = beside[0] * self.step**2
        splines = RadialSplines.from_knots(first[:-1], last[1:], self.start, self.step)
        self.register_buffer("coefficients", splines.coefficients.to(dtype))

    @property
    def knots(self) -> Tensor:
        """Distances of the knots [K], A, float64."""
        return self.start + self.step * torch.arange(self.num_knots, dtype=torch.float64)

    def _distances(self, parts: Sequence[float]) -> Tensor:
        """Return the knots, or positions between them as fractions of the intervals, [W, 1] A, float64."""
        knots = self.knots
        return torch.cat([knots[: len(knots) - (part > 0)] + part * self.step for part in parts]).unsqueeze(1)

    def relative_error(self, basis: RadialBasis, network: RadialMap) -> float:
        """Measure the error of the splines relative to the original network.

        Returns:
            The largest difference between a spline and its function, or between their derivatives, at any distance up
            to the cutoff, each divided by the largest magnitude of that function or derivative.
        """
        r = self._distances([0.0, *_BETWEEN])
        splines = RadialSplines(self.coefficients.to(torch.float64), self.start, self.step)
        with torch.no_grad():
            expected = _in_double_precision(basis, network)(r)
        pairs = zip(evaluate_splines(splines, r), expected, strict=True)
        return max(_largest_relative_difference(found, exact) for found, exact in pairs)

    def forward(self, functions: RadialFunctions) -> TabulatedFunctions:
        """Return the splines at the distances of the given functions."""
        return TabulatedFunctions(RadialSplines(self.coefficients, self.start, self.step), functions.distances)


def _grid(basis: RadialBasis, knots: int) -> tuple[int, float, float]:
    """Return number of knots, distance of the first and spacing in A; the last knot is at the cutoff."""
    step = (basis.cutoff - _FIRST_KNOT) / (knots - 1)
    if basis.break_point is None or basis.break_point < _FIRST_KNOT + step:
        return knots, _FIRST_KNOT, step
    step = (basis.cutoff - basis.break_point) / max(1, round((basis.cutoff - basis.break_point) / step))
    intervals = math.floor((basis.cutoff - _FIRST_KNOT) / step)
    return intervals + 1, basis.cutoff - intervals * step, step


def _in_double_precision(basis: RadialBasis, network: RadialMap) -> Callable[[Tensor], ValuesAndSlopes]:
    """Return a function that evaluates the network and its derivatives at distances [W, 1] in float64."""
    basis, network = copy.deepcopy(basis).double(), copy.deepcopy(network).double()
    anywhere = torch.full((1, 1), 0.5 * basis.cutoff, dtype=torch.float64)
    with torch.no_grad():
        return network(basis(anywhere)).at


def _with_curvature(at: Callable[[Tensor], ValuesAndSlopes], r: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Evaluate functions of the distance [W, F] and their first and second derivatives at distances [W, 1]."""
    with torch.enable_grad():
        r = r.detach().requires_grad_()
        value, slope = at(r)
        # The gradient is linear in its weights, and the coefficients are the derivatives of each function.
        weights = torch.ones_like(slope, requires_grad=True)
        (gradient,) = torch.autograd.grad((slope * weights).sum(), r, create_graph=True)
        (curvature,) = torch.autograd.grad(gradient.sum(), weights)
    return value.detach(), slope.detach(), curvature


def _largest_relative_difference(found: Tensor, expected: Tensor) -> float:
    """Return the largest difference of functions [W, F], each divided by its largest magnitude."""
    scale = expected.abs().amax(dim=0)
    scale = scale.clamp_min(_SMALLEST_SCALE * float(scale.max()))
    difference = (found - expected).abs().amax(dim=0)
    return float(torch.where(difference > 0, difference / scale, difference).max())


class NoBasis(nn.Module):
    """Placeholder for the radial basis when the splines replace all its uses."""

    depends_on_species = False

    def forward(self, distances: Tensor) -> RadialFunctions:
        """Return the distances without functions."""
        nothing = distances.new_empty(distances.shape[0], 0)

        def at(r: Tensor) -> ValuesAndSlopes:
            return nothing, nothing

        return RadialFunctions(nothing, nothing, distances, at)


def tabulated(model: nn.Module, knots: int) -> nn.Module:
    """Copy a model, with splines in place of its radial networks.

    Raises:
        PotentialsError: the radial functions of the model do not only depend on the distance.
    """
    copied = copy.deepcopy(model)
    embeddings = [module for module in copied.modules() if isinstance(module, EdgeEmbedding)]
    for embedding in embeddings:
        if not isinstance(embedding.radial, RadialBasis) or embedding.radial.depends_on_species:
            raise PotentialsError("the radial functions depend on the elements, not on the distance alone")
    if len(embeddings) != 1 or not any(isinstance(module, RadialMap) for module in copied.modules()):
        raise PotentialsError("the model has no radial networks with a common radial basis")
    (embedding,) = embeddings
    for module in list(copied.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, RadialMap):
                setattr(module, name, TabulatedNetwork(cast(RadialBasis, embedding.radial), child, knots))
    embedding.radial = NoBasis()
    return copied


def largest_error(model: nn.Module, tabulated_model: nn.Module) -> float:
    """Return the largest relative error of all splines of a tabulated model; see `TabulatedNetwork`."""
    networks = dict(model.named_modules())
    (embedding,) = (module for module in networks.values() if isinstance(module, EdgeEmbedding))
    return max(
        module.relative_error(cast(RadialBasis, embedding.radial), cast(RadialMap, networks[name]))
        for name, module in tabulated_model.named_modules()
        if isinstance(module, TabulatedNetwork)
    )
