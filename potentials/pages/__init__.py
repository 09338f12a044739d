"""Pages that need nothing but themselves: sections of text, tables, plots and interactive structures as one HTML file.

Whoever makes a page describes what stands on it; how it looks, in light and dark, on wide and narrow screens, is
decided here. Plots are made with `plotly.graph_objects` without template or colors of axes and background.
"""

from potentials.pages import palette
from potentials.pages.content import (
    Details,
    Gallery,
    Html,
    Mark,
    Paragraph,
    Part,
    Plot,
    Row,
    Section,
    Table,
)
from potentials.pages.page import Page
from potentials.pages.structure import Arrows, StructureFrame, StructureView

__all__ = [
    "Arrows",
    "Details",
    "Gallery",
    "Html",
    "Mark",
    "Page",
    "Paragraph",
    "Part",
    "Plot",
    "Row",
    "Section",
    "StructureFrame",
    "StructureView",
    "Table",
    "palette",
]
