"""Selection of the products of densities that are the basis functions of linear ACE."""

from __future__ import annotations

import itertools

from potentials.equivariant.invariants import Factor, Invariant, invariants
from potentials.errors import PotentialsError
from potentials.models.ace.config import ACEConfig

_LARGEST = 20_000
"""Maximum number of coefficients; the least-squares problem of more would need tens of gigabytes."""


def ace_products(config: ACEConfig) -> list[Invariant]:
    """List the basis functions of an atom.

    Channel z * radial.size + n - 1 is the density of species z and radial function n.

    Raises:
        PotentialsError: there are no basis functions, or too many for a fit.
    """
    size, num_species = config.radial.size, len(config.elements)
    found: list[Invariant] = []
    for order in range(1, config.correlation + 1):
        largest = config.degree_of(order)
        # A lower bound, the products with l = 0 and n = 1 in all factors but one: avoids listing too many products.
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
