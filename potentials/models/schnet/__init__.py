"""SchNet (Schuett, Sauceda, Kindermans, Tkatchenko, Mueller, J. Chem. Phys. 148, 241722, 2018): scalar features and
continuous filters of the distance, learned layer by layer. It sees no directions, which makes it the baseline of the
families that do."""

from potentials.config.families import register_family
from potentials.models.schnet import anatomy  # noqa: F401  (registers what of the network can be seen)
from potentials.models.schnet.config import SchNetConfig
from potentials.models.schnet.network import SchNet

__all__ = ["SchNet", "SchNetConfig"]

register_family("schnet", SchNetConfig, SchNet)
