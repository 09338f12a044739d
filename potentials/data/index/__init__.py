"""Indices of large files: properties of all frames that are known without reading them again, stored in the cache."""

from potentials.data.index.frame_index import FrameIndex, ProgressCallback
from potentials.data.index.index_cache import cached_index

__all__ = ["FrameIndex", "ProgressCallback", "cached_index"]
