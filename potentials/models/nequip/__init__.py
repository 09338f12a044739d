"""NequIP (Batzner et al., Nature Communications 13, 2453, 2022): layers of equivariant convolutions over the neighbors,
each with a species-dependent self-connection and a gate, followed by a linear readout."""

from potentials.config.families import register_family
from potentials.models.nequip import anatomy  # noqa: F401  (registers the anatomy of the network)
from potentials.models.nequip.config import NequIPConfig
from potentials.models.nequip.network import SCALAR, Convolution, LinearSelfConnection, NequIP, SelfConnection

__all__ = ["SCALAR", "Convolution", "LinearSelfConnection", "NequIP", "NequIPConfig", "SelfConnection"]

register_family("nequip", NequIPConfig, NequIP)
