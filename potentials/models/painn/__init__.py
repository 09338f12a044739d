"""PaiNN (Schuett, Unke, Gastegger, ICML 2021, arXiv:2102.03150): scalar and vector features. Messages of both use
continuous filters of the distance; each atom then mixes its vectors, gated by its scalars. The cost is only slightly
higher than that of a network of distances."""

from potentials.config.families import register_family
from potentials.models.painn import anatomy  # noqa: F401  (registers the anatomy of the network)
from potentials.models.painn.config import PaiNNConfig
from potentials.models.painn.network import PaiNN

__all__ = ["PaiNN", "PaiNNConfig"]

register_family("painn", PaiNNConfig, PaiNN)
