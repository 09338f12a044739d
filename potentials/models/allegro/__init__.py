"""Allegro (Musaelian et al., Nature Communications 14, 579, 2023): features belong to ordered pairs of neighbors and
are multiplied, layer by layer, with the surroundings of one atom. Body order grows with the layers and range does not:
an energy depends on the atoms within one cutoff."""

from potentials.config.families import register_family
from potentials.models.allegro import anatomy  # noqa: F401  (registers what of the network can be seen)
from potentials.models.allegro.config import AllegroConfig
from potentials.models.allegro.network import Allegro

__all__ = ["Allegro", "AllegroConfig"]

register_family("allegro", AllegroConfig, Allegro)
