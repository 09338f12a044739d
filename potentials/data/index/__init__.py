"""Indices of files of many frames: what is known of every frame without reading it again, kept in the cache."""

from potentials.data.index.frame_index import FrameIndex, Say
from potentials.data.index.index_cache import cached_index

__all__ = ["FrameIndex", "Say", "cached_index"]
