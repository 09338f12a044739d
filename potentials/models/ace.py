"""The linear atomic cluster expansion (Drautz, Phys. Rev. B 99, 014104, 2019), fitted in closed form."""

from __future__ import annotations

import itertools
from typing import ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from potentials.config.base import FiniteNumber, PositiveInteger, PositiveNumber, Width
from potentials.config.elements import ElementSymbol
from potentials.config.families import FamilyConfig, RadialConfig, register_family
from potentials.equivariant import Irrep, Layout, message_table, spherical_harmonics
from potentials.equivariant.invariants import MAX_ORDER, Factor, Invariant, InvariantProducts, invariants
from potentials.errors import PotentialsError
from potentials.kernels import EdgeTopology, message_sum
from potentials.models.anatomy import Anatomy, ManyBodyProducts, MessageRound, NodeFeatures, Recording, harmonic_paths
from potentials.models.blocks import EdgeEmbedding
from potentials.models.linear import LinearModel
from potentials.models.radial import RadialBasis
from potentials.models.radial_functions import RadialFunctions

_LARGEST = 20_000
"""Coefficients; the least-squares problem of more would need tens of gigabytes."""


_NO_READOUT = (
    "ace is fitted in closed form: its energy is linear in its basis, without a readout network; leave this out, and "
    "raise polynomial_degree or correlation for a richer basis"
)


class ACERadialConfig(RadialConfig):
    """More functions than other families have: nothing makes new ones of them."""

    size: Width = 12
    """Number of radial functions, n = 1 to size."""


class ACEConfig(FamilyConfig):
    """Linear ACE: all invariant products of up to `correlation` neighbor densities, within a total degree.

    The energy is linear in its coefficients. They are fitted in closed form, by regularized least squares on energies,
    forces and stress with the weights of `loss`; there are no epochs. It spans what MTP and SNAP span.
    """

    closed_form: ClassVar[bool] = True
    without_readout: ClassVar[str] = _NO_READOUT

    name: Literal["ace"]
    correlation: int = Field(default=3, ge=1, le=MAX_ORDER)
    """Highest number of factors of a product; body order is correlation + 1."""
    polynomial_degree: PositiveInteger | list[PositiveInteger] = 10
    """Largest sum of n + l (radial function and degree) over the factors of a product; one number, or one for each
    number of factors."""
    angular_degree: int = Field(default=5, ge=0, le=8)
    """Highest degree l of the spherical harmonics."""
    radial: ACERadialConfig = ACERadialConfig()
    regularization: Literal["auto"] | PositiveNumber = "auto"
    """Ridge parameter, relative to the largest singular value squared of the equations in columns of unit norm;
    `auto` takes what the validation frames like best."""
    scale: Literal["auto"] | PositiveNumber | dict[ElementSymbol, PositiveNumber] = 1.0
    """Factor on the node energies in eV; the fit finds the same energies whatever it is."""
    shift: Literal["auto"] | FiniteNumber | dict[ElementSymbol, FiniteNumber] = 0.0
    """Added to each node energy in eV; with 0 an isolated atom has its reference energy."""

    @model_validator(mode="after")
    def _consistent(self) -> ACEConfig:
        if isinstance(self.polynomial_degree, list) and len(self.polynomial_degree) != self.correlation:
            raise ValueError(
                f"polynomial_degree: expected one number or {self.correlation} (one for each number of factors), got "
                f"{len(self.polynomial_degree)}"
            )
        if self.radial.trainable:
            raise ValueError("radial.trainable: ace is linear in everything that is fitted; use false")
        return self

    def degree_of(self, order: int) -> int:
        """Largest total degree of products of this many factors."""
        degree = self.polynomial_degree
        return degree[order - 1] if isinstance(degree, list) else degree


def ace_products(config: ACEConfig) -> list[Invariant]:
    """The basis functions of an atom.

    Channel z * radial.size + n - 1 is the density of species z and radial function n.

    Raises:
        PotentialsError: none, or too many for a fit.
    """
    size, num_species = config.radial.size, len(config.elements)
    found: list[Invariant] = []
    for order in range(1, config.correlation + 1):
        largest = config.degree_of(order)
        # Those of n = 1 in all factors but one, and l = 0, are among the products: before so many are listed at all.
        if num_species**2 * min(size, largest - order + 1) > _LARGEST:
            raise _too_many(config)

        def within(factors: tuple[Factor, ...], order: int = order, largest: int = largest) -> bool:
            degrees = [factor.degree + factor.channel % size + 1 for factor in factors]
            return sum(degrees) + order - len(factors) <= largest

        channels = [species * size + n for species in range(num_species) for n in range(min(size, largest))]
        factors = [
            Factor(degree, channel)
            for degree, channel in itertools.product(range(config.angular_degree + 1), channels)
            if within((Factor(degree, channel),))
        ]
        found += itertools.islice(invariants(factors, order, within), _LARGEST // num_species + 1)
        if len(found) * num_species > _LARGEST:
            raise _too_many(config)
    if not found:
        raise PotentialsError(
            f"model: no product has a total degree of at most {config.polynomial_degree}; raise polynomial_degree"
        )
    return found


def _too_many(config: ACEConfig) -> PotentialsError:
    return PotentialsError(
        f"model: more than {_LARGEST} coefficients for {len(config.elements)} elements; lower polynomial_degree (one "
        "number for each number of factors is allowed) or correlation"
    )


class ACE(LinearModel):
    """The model. Distances, directions and species in; node energies out.

    A_{i znlm} = sum_{j of species z} R_n(r_ij) Y_lm(r_ij) / sqrt(average_neighbors), and B their invariant products.
    """

    def __init__(self, config: ACEConfig) -> None:
        super().__init__()
        self.num_species, self.num_radial = len(config.elements), config.radial.size
        self.density_scale = float(config.average_neighbors) ** -0.5
        self.degree = config.angular_degree
        self.edges = EdgeEmbedding(RadialBasis(config.radial, config.cutoff, config.elements), self.degree)
        self.table = message_table(Layout.natural(0), self.degree, Layout.natural(self.degree)).table
        self.products = InvariantProducts(ace_products(config))
        self.coefficients = nn.Parameter(torch.randn(self.num_species, self.products.size) / self.products.size)

    def basis(self, edge_vectors: Tensor, species: Tensor, topology: EdgeTopology) -> Tensor:
        """B of all atoms, [N, K]."""
        return self.products(self._densities(edge_vectors, species, topology))

    def _densities(self, edge_vectors: Tensor, species: Tensor, topology: EdgeTopology) -> Tensor:
        """A, [N, (L + 1)^2, species times radial functions]."""
        Y, functions = self.edges(edge_vectors, species, topology)
        weights = self._weights(functions.connected())
        return message_sum(self.table, self._sent(species), Y, weights, topology)

    def _weights(self, functions: Tensor) -> Tensor:
        """One for each degree, though all degrees share the radial functions, [W, L + 1, channels]."""
        weights = self.density_scale * functions.repeat(1, self.num_species).unsqueeze(1)
        return weights.expand(-1, self.degree + 1, -1).contiguous()

    def _sent(self, species: Tensor) -> Tensor:
        """Each atom adds to the densities of its species, [N, 1, channels]."""
        return self._one_hot(species).repeat_interleave(self.num_radial, dim=1).unsqueeze(1)

    def _one_hot(self, species: Tensor) -> Tensor:
        return nn.functional.one_hot(species, self.num_species).to(self.coefficients.dtype)

    def basis_derivatives(self, edge_vectors: Tensor, species: Tensor, topology: EdgeTopology, edges: slice) -> Tensor:
        """dB_ik/dr_e of these edges, [edges, 3, K] 1/A: the products' derivative along those of the densities."""
        with torch.no_grad():
            densities = self._densities(edge_vectors, species, topology)
            directions = self._density_derivatives(edge_vectors[edges], species, topology, edges)
            along = lambda direction: torch.func.jvp(  # noqa: E731
                self.products, (densities[topology.receivers[edges]],), (direction,)
            )[1]
            return torch.func.vmap(along, out_dims=1)(directions)

    def _density_derivatives(self, vectors: Tensor, species: Tensor, topology: EdgeTopology, edges: slice) -> Tensor:
        """What moving one end of an edge adds to the densities around the other, [3, edges, (L + 1)^2, channels]."""
        senders, receivers = species[topology.senders[edges]], species[topology.receivers[edges]]
        distances = vectors.norm(dim=1, keepdim=True)
        functions = self.edges.radial(distances, senders, receivers)
        units = torch.eye(3, dtype=vectors.dtype, device=vectors.device)
        harmonics = lambda r: spherical_harmonics(nn.functional.normalize(r, dim=1), self.degree)  # noqa: E731
        along = lambda unit: torch.func.jvp(harmonics, (vectors,), (unit.expand_as(vectors),))[1]  # noqa: E731
        turned = torch.func.vmap(along)(units)
        stretched = (vectors / distances).T.unsqueeze(2) * functions.slopes
        change = turned.unsqueeze(3) * functions.values.unsqueeze(1) + (
            harmonics(vectors).unsqueeze(2) * stretched.unsqueeze(2)
        )
        return self.density_scale * (change.unsqueeze(3) * self._one_hot(senders)[:, None, :, None]).flatten(3)

    def anatomy(self) -> Anatomy:
        """Its parts, to look at."""
        coupling = message_table(Layout.natural(0), self.degree, Layout.natural(self.degree))
        channels = self.num_species * self.num_radial

        def weights(seen: Recording, topology: EdgeTopology) -> Tensor:
            return self._weights(seen.result(self.edges)[1].values)[topology.edge_pair]

        def radial(basis: RadialFunctions) -> RadialFunctions:
            values, slopes = (self._weights(functions).flatten(1) for functions in (basis.values, basis.slopes))
            return RadialFunctions(values, slopes, basis.distances, basis.at)

        densities = MessageRound(
            "densities",
            coupling.table,
            coupling.blocks,
            harmonic_paths(coupling),
            sent=lambda seen: self._sent(seen.argument(self.edges, 1)),
            harmonics=lambda seen: seen.result(self.edges)[0],
            weights=weights,
            summed=lambda seen: seen.argument(self.products),
            radial=radial,
            learned=False,
        )
        layout = Layout.natural(self.degree)
        features = [NodeFeatures("A, densities of the neighbors", layout, lambda seen: seen.argument(self.products))]
        counts = {Irrep(0, 1): self.products.counts}
        products = [ManyBodyProducts("invariant products", counts, {}, self.coefficients.numel())]
        remark = (
            "Linear ACE learns only the coefficients of its products: densities and radial functions are as they were "
            "chosen. A channel is a species of neighbors and a radial function."
        )
        return Anatomy(self.degree, features, [densities], self.edges.radial, channels, products, remark=remark)


register_family("ace", ACEConfig, ACE)
