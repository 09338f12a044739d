"""MACE (Batatia, Kovacs, Simm, Ortner, Csanyi, NeurIPS 2022, arXiv:2206.07697): messages of neighbors are summed, and
symmetric products of up to three of these sums on each atom give features of body order four in one layer, so that two
layers are sufficient."""

from potentials.config.families import register_family
from potentials.models.mace import anatomy  # noqa: F401  (registers the anatomy of the network)
from potentials.models.mace.config import MACEConfig
from potentials.models.mace.network import MACE, Features, Interaction, Product, Readout

__all__ = ["MACE", "Features", "Interaction", "MACEConfig", "Product", "Readout"]

register_family("mace", MACEConfig, MACE)
