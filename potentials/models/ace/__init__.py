"""Linear ACE (Drautz, Phys. Rev. B 99, 014104, 2019): the energy is a sum of coefficients times invariant products of
the densities of an atom's neighbors. The coefficients are fitted in closed form; there is no network and no epoch."""

from potentials.config.families import register_family
from potentials.models.ace import anatomy  # noqa: F401  (registers what of the model can be seen)
from potentials.models.ace.config import ACEConfig
from potentials.models.ace.network import ACE
from potentials.models.ace.products import ace_products

__all__ = ["ACE", "ACEConfig", "ace_products"]

register_family("ace", ACEConfig, ACE)
