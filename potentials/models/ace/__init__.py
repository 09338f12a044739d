"""Linear ACE (Drautz, Phys. Rev. B 99, 014104, 2019): the energy is a linear combination of invariant products of the
neighbor densities of each atom. The coefficients are fitted in closed form, without a neural network or epochs."""

from potentials.config.families import register_family
from potentials.models.ace import anatomy  # noqa: F401  (registers the anatomy of the model)
from potentials.models.ace.config import ACEConfig
from potentials.models.ace.network import ACE
from potentials.models.ace.products import ace_products

__all__ = ["ACE", "ACEConfig", "ace_products"]

register_family("ace", ACEConfig, ACE)
