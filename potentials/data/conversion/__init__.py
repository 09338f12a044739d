"""Lossless conversion of frames to other formats, one frame at a time."""
