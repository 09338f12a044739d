import json
import re

import numpy as np
import plotly.graph_objects as go
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from potentials.pages import (
    Arrows,
    Details,
    Gallery,
    Html,
    Mark,
    Page,
    Paragraph,
    Plot,
    Row,
    Section,
    StructureFrame,
    StructureView,
    Table,
    palette,
)
from potentials.pages.structure import structure_json

HOSTILE = "<img src=x onerror=alert(1)>\"'&</script><script>alert(2)</script>"


def figure(**trace: object) -> go.Figure:
    return go.Figure(go.Scatter(x=[0.0, 1.0], y=[1.0, 2.0], **trace))


def data_of(markup: str) -> object:
    found = re.search(r'<script type="application/json">(.*?)</script>', markup, re.DOTALL)
    assert found is not None
    return json.loads(found.group(1))


@pytest.mark.parametrize(
    "part",
    [
        Paragraph(HOSTILE),
        Details(HOSTILE, HOSTILE),
        Table([HOSTILE], [[HOSTILE], [Mark("bad", HOSTILE)]], caption=HOSTILE),
        Plot(figure(name=HOSTILE, text=[HOSTILE] * 2), caption=HOSTILE, label=HOSTILE),
        Gallery({HOSTILE: Plot(figure(name=HOSTILE))}),
        Row([Paragraph(HOSTILE)]),
        Section(HOSTILE, HOSTILE, [Paragraph(HOSTILE)]),
        Section("a", "b", missing=HOSTILE),
        StructureView(
            [
                StructureFrame(
                    HOSTILE, molecule("H2O"), [Arrows(HOSTILE, np.ones((3, 3)), "red")], HOSTILE, [HOSTILE] * 3
                )
            ]
        ),
    ],
    ids=lambda part: type(part).__name__,
)
def test_what_comes_from_outside_is_escaped(part: object) -> None:
    markup = part.html()
    assert "<img" not in markup
    assert "</script><script>" not in markup
    assert "onerror" in markup, "the text itself is there"


def test_a_page_escapes_its_own_texts_and_is_whole() -> None:
    page = Page(HOSTILE, HOSTILE, [Section("One & two", parts=[Html("<em>ours</em>")])], [(HOSTILE, HOSTILE)], HOSTILE)
    markup = page.html()
    assert "<img" not in markup.replace("<img src", "", 0).split("<script>")[0]
    assert '<section id="one-two">' in markup
    assert "<em>ours</em>" in markup
    assert "plotly.js v" in markup
    fetched = re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=\"?(?!data:)(https?:[^\"> ]+)", markup)
    assert not fetched, "nothing comes from a network"


def test_a_missing_section_says_why_instead_of_its_parts() -> None:
    markup = Section("Phonons", "none is imaginary.", [Paragraph("parts")], missing="a molecule has none").html()
    assert "a molecule has none" in markup
    assert "parts" not in markup
    assert "none is imaginary." in markup


def test_plots_keep_names_of_colors_and_lose_their_template() -> None:
    drawn = go.Figure(go.Heatmap(z=[[1, 2]], colorscale=palette.DENSITY), layout={"template": "plotly_dark"})
    drawn.add_scatter(x=[0], y=[0], line={"color": palette.SERIES[0]})
    data = data_of(Plot(drawn).html())
    assert data["data"][0]["colorscale"][0][1] == "var(--density-1)"
    assert data["data"][1]["line"]["color"] == "var(--series-1)"
    assert "layout" not in data["layout"].get("template", {})
    assert drawn.layout.template.layout.paper_bgcolor is not None, "the figure itself is left as it was"


def test_first_columns_and_texts_stand_left() -> None:
    markup = Table(["a", "b", "c"], [["number", "2345", "some text"]], text_columns=[2]).html()
    assert re.findall(r"<td( class=.*?)?>", markup) == [' class="left"', "", ' class="left"']


def test_columns_without_need_of_room_and_those_for_wide_screens_are_marked() -> None:
    markup = Table(["a", "b", "c"], [["1", "2", Mark("good", "3")], ["10", "2345", ""]], wide_columns=[2]).html()
    assert re.findall(r"<td( class=.*?)?>", markup)[:3] == [' class="left short"', "", ' class="wide"']
    assert re.findall(r"<th .*?>", markup)[2] == '<th scope="col" class="wide">'


def test_bonds_are_those_of_the_molecule() -> None:
    ethanol = molecule("CH3CH2OH")
    symbols = ethanol.get_chemical_symbols()
    bonds = sorted(
        "-".join(sorted((symbols[i], symbols[j]))) for i, j in structure_json(StructureFrame("", ethanol))["bonds"]
    )
    assert bonds == ["C-C", "C-H", "C-H", "C-H", "C-H", "C-H", "C-O", "H-O"]


def test_bonds_do_not_cross_the_cell_and_its_edges_are_drawn() -> None:
    silicon = bulk("Si", cubic=True)
    drawn = structure_json(StructureFrame("", silicon))
    distances = [np.linalg.norm(silicon.positions[i] - silicon.positions[j]) for i, j in drawn["bonds"]]
    assert len(distances) > 0
    assert np.allclose(distances, np.sqrt(3) / 4 * silicon.cell[0, 0])
    lengths = [np.linalg.norm(np.subtract(*edge)) for edge in drawn["cell"]]
    assert np.allclose(lengths, silicon.cell[0, 0])
    assert len(lengths) == 12
    assert structure_json(StructureFrame("", molecule("H2O")))["cell"] == []


def test_arrows_are_scaled() -> None:
    vectors = np.array([[1.0, -2.0, 0.5]])
    frame = StructureFrame("", Atoms("H"), [Arrows("forces", vectors, palette.REFERENCE, scale=0.5)])
    assert structure_json(frame)["arrows"][0]["vectors"] == [[0.5, -1.0, 0.25]]


def test_elements_have_colors() -> None:
    colors = {palette.element_color(symbol) for symbol in ("H", "C", "N", "O", "Cu", "Si")}
    assert len(colors) == 6
    assert all(re.fullmatch("#[0-9a-f]{6}", color) for color in colors)
