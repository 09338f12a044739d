"""Pictures that teach: what a trained network does with a structure, as one interactive page."""

from potentials.visualization.page import visualization_page

__all__ = ["visualization_page"]
