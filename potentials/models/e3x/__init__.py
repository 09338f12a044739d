"""E3x (Unke and Maennel, arXiv:2401.07595): the message-passing potential in the documentation of that package.
Messages with all couplings up to a degree have filters that are linear in the radial basis, followed by dense layers
with gated activations. With attention, the weights of neighbors depend on features."""

from potentials.config.families import register_family
from potentials.models.e3x import anatomy  # noqa: F401  (registers the anatomy of the network)
from potentials.models.e3x.config import E3xConfig, E3xRadialConfig
from potentials.models.e3x.layouts import layer_layouts
from potentials.models.e3x.network import E3x

__all__ = ["E3x", "E3xConfig", "E3xRadialConfig", "layer_layouts"]

register_family("e3x", E3xConfig, E3x)
