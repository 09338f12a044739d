"""Potentials from the weights of other programs: MACE (mace-torch) and NequIP.

The functions take hyperparameters and a state dict of plain tensors, never a pickled module: how those are read out of
the peer's own files is the peer's affair, in its own environment.
"""

from potentials.interop.mace_torch import potential_from_mace
from potentials.interop.nequip import potential_from_nequip

__all__ = ["potential_from_mace", "potential_from_nequip"]
