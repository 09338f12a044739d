"""PONITA (Bekkers et al., ICLR 2024, arXiv:2310.02970): features are functions on the sphere at each atom, sampled on a
fixed grid of orientations. Convolutions over space and over the sphere use only scalars, but resolve directions;
because of the grid, rotation invariance is approximate."""

from potentials.config.families import register_family
from potentials.models.ponita import anatomy  # noqa: F401  (registers the anatomy of the network)
from potentials.models.ponita.config import PonitaConfig
from potentials.models.ponita.network import Ponita
from potentials.models.ponita.orientations import orientation_grid

__all__ = ["Ponita", "PonitaConfig", "orientation_grid"]

register_family("ponita", PonitaConfig, Ponita)
