"""The `data` section: files, labels with their units, heads, splits, weights, reference energies, batches."""

from potentials.config.data.section import DataConfig
from potentials.config.data.weights import GroupWeights, WeightsConfig

__all__ = ["DataConfig", "GroupWeights", "WeightsConfig"]
