"""The JSON beside a report, against what was put on its page."""

import json
import math

import numpy as np
from plotly.graph_objects import Figure, Scatter
from plotly.subplots import make_subplots

from potentials.pages import Details, Gallery, Mark, Page, Paragraph, Plot, Row, Section, Table
from potentials.report import report
from potentials.report.judging import mark
from potentials.report.record import report_json
from potentials.report.report import Entry, write_report


def record(*sections: Section) -> dict:
    page = Page("a title", sections=[Section("Summary", parts=[Paragraph("Note: careful.")]), *sections])
    return json.loads(report_json(page, {"First one": "first"}, {"model": {"file": "a.potential"}}))


def test_tables_keep_marks_values_and_limits() -> None:
    table = Table(
        ["part", "share"], [["a", mark(0.25, 0.1, 0.3, "25 %")], ["b", mark(math.nan, 0.1, 0.3)]], "a caption"
    )
    plain = Table(["part", ""], [["c", Mark("good", "kept")]])
    found = record(Section("First one", "small.", [Row([table, plain])]), Section("Other", missing="no data"))
    assert (found["format"], found["version"]) == ("potentials report", 1)
    first, other = found["sections"]
    assert (first["name"], first["good"], first["missing"]) == ("first", "small.", None)
    assert (other["name"], other["missing"]) == ("other", "no data")
    judged = {"mark": "look", "text": "25 %", "value": 0.25, "limits": {"good": 0.1, "bad": 0.3}}
    assert first["tables"][0] == {
        "columns": ["part", "share"],
        "rows": [["a", judged], ["b", {**judged, "mark": "bad", "text": "nan", "value": None}]],
        "caption": "a caption",
    }
    assert found["judgments"][0] == {"section": "first", "what": "a: share 25 %", **judged}
    assert [one["mark"] for one in found["judgments"]] == ["look", "bad", "good"]
    assert found["remarks"] == ["Note: careful."]


def test_figures_keep_what_is_drawn() -> None:
    figure = make_subplots(rows=2, cols=1)
    figure.add_trace(Scatter(x=np.arange(3), y=np.array([1.5, np.nan, 2.5]), name="energy"), 1, 1)
    figure.add_trace(Scatter(x=(0, 1), y=(2, 3), name="force", error_y={"array": np.ones(2)}), 2, 1)
    figure.update_xaxes(title_text="distance (A)", row=2)
    figure.update_yaxes(title_text="energy (eV)", row=1)
    parts = [Plot(figure, "a caption"), Gallery({"Cu-O": Plot(Figure(Scatter(y=[1.0])))}), Details("more", "of it")]
    section = record(Section("First one", parts=parts))["sections"][0]
    first, second = section["figures"]
    assert first["axes"] == {"x2": "distance (A)", "y": "energy (eV)"}
    assert first["series"][0]["y"] == [1.5, None, 2.5]
    assert first["series"][0]["axes"] == ["x", "y"]
    assert first["series"][1]["error_y"]["array"] == [1.0, 1.0]
    assert (second["name"], second["series"][0]["y"]) == ("Cu-O", [1.0])
    assert section["texts"] == ["more\nof it"]


def test_it_lies_beside_the_page(toy_folder, tmp_path, monkeypatch) -> None:
    made = Section("Good", "small.", [Table(["what", "share"], [["first", mark(0.5, 1.0, 2.0)]])])
    monkeypatch.setattr(report, "SECTIONS", {"good": Entry("Good", lambda subject: made)})
    write_report(toy_folder, tmp_path / "page.html")
    found = json.loads((tmp_path / "page.json").read_text())
    assert found["sections"][0]["name"] == "good"
    assert found["judgments"][0]["value"] == 0.5
    assert found["provenance"]["versions"]["potentials"]["now"]
    assert found["provenance"]["reference_energies_eV"].keys() == {"Cu"}
