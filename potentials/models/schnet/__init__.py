"""SchNet (Schuett, Sauceda, Kindermans, Tkatchenko, Mueller, J. Chem. Phys. 148, 241722, 2018): scalar features and
learned continuous filters of the distance in each layer. It does not depend on directions, and serves as a baseline for
families that do."""

from potentials.config.families import register_family
from potentials.models.schnet import anatomy  # noqa: F401  (registers the anatomy of the network)
from potentials.models.schnet.config import SchNetConfig
from potentials.models.schnet.network import SchNet

__all__ = ["SchNet", "SchNetConfig"]

register_family("schnet", SchNetConfig, SchNet)
