"""Self-contained HTML pages: sections of text, tables, plots and interactive structures in one file.

Callers describe the contents of a page; this package defines its appearance, in light and dark themes, on wide and
narrow screens. Plots are `plotly.graph_objects` figures without template or colors of axes and background.
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
