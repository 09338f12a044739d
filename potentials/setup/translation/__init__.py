"""Translation of configurations of mace-torch and nequip into ours; what has no counterpart becomes comments."""

from potentials.setup.translation.mace import translate_mace
from potentials.setup.translation.nequip import translate_nequip

__all__ = ["translate_mace", "translate_nequip"]
