"""Interactive page that shows how a trained network processes a structure."""

from potentials.visualization.page import visualization_page

__all__ = ["visualization_page"]
