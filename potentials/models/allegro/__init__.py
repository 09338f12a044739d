"""Allegro (Musaelian et al., Nature Communications 14, 579, 2023): features of ordered pairs of neighbors are
multiplied in each layer with the environment of one atom. Each layer increases the body order but not the range:
energies depend only on atoms within one cutoff."""

from potentials.config.families import register_family
from potentials.models.allegro import anatomy  # noqa: F401  (registers the anatomy of the network)
from potentials.models.allegro.config import AllegroConfig
from potentials.models.allegro.dense import DenseAllegro
from potentials.models.allegro.network import Allegro

__all__ = ["Allegro", "AllegroConfig", "DenseAllegro"]


def _network(config: AllegroConfig) -> Allegro | DenseAllegro:
    return DenseAllegro(config) if config.scalars == "dense" else Allegro(config)


register_family("allegro", AllegroConfig, _network)
