"""PaiNN (Schuett, Unke, Gastegger, ICML 2021, arXiv:2102.03150): scalar and vector features. Neighbors send both
through continuous filters of the distance; each atom then mixes its vectors, and scalars gate everything. Directions
cost little more than a network of distances."""

from potentials.config.families import register_family
from potentials.models.painn import anatomy  # noqa: F401  (registers what of the network can be seen)
from potentials.models.painn.config import PaiNNConfig
from potentials.models.painn.network import PaiNN

__all__ = ["PaiNN", "PaiNNConfig"]

register_family("painn", PaiNNConfig, PaiNN)
