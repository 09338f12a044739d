"""E3x (Unke and Maennel, arXiv:2401.07595): the message-passing potential of that package's documentation. Messages of
all couplings up to a degree have filters linear in the radial basis; dense layers with gated activations follow. With
attention, neighbors are weighed by what they are."""

from potentials.config.families import register_family
from potentials.models.e3x import anatomy  # noqa: F401  (registers what of the network can be seen)
from potentials.models.e3x.config import E3xConfig, E3xRadialConfig
from potentials.models.e3x.layouts import layer_layouts
from potentials.models.e3x.network import E3x

__all__ = ["E3x", "E3xConfig", "E3xRadialConfig", "layer_layouts"]

register_family("e3x", E3xConfig, E3x)
