"""PONITA (Bekkers et al., ICLR 2024, arXiv:2310.02970): at each atom a function on the sphere, sampled at a fixed grid
of orientations. Convolutions over space and over the sphere need scalars only and still see directions; the grid makes
the symmetry under rotations approximate."""

from potentials.config.families import register_family
from potentials.models.ponita import anatomy  # noqa: F401  (registers what of the network can be seen)
from potentials.models.ponita.config import PonitaConfig
from potentials.models.ponita.network import Ponita
from potentials.models.ponita.orientations import orientation_grid

__all__ = ["Ponita", "PonitaConfig", "orientation_grid"]

register_family("ponita", PonitaConfig, Ponita)
