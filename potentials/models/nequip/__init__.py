"""NequIP (Batzner et al., Nature Communications 13, 2453, 2022): layers of equivariant convolutions over the
neighbors, each followed by a map of the atom's own features that depends on its species, and by a gate; a linear
readout ends it."""

from potentials.config.families import register_family
from potentials.models.nequip import anatomy  # noqa: F401  (registers what of the network can be seen)
from potentials.models.nequip.config import NequIPConfig
from potentials.models.nequip.network import SCALAR, Convolution, NequIP, SelfConnection

__all__ = ["SCALAR", "Convolution", "NequIP", "NequIPConfig", "SelfConnection"]

register_family("nequip", NequIPConfig, NequIP)
