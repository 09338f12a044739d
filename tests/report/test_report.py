import pytest

from potentials.config import DataConfig
from potentials.data.label import label_frames
from potentials.data.read import read_frames
from potentials.errors import DataError, SimulationError
from potentials.pages import Mark, Row, Section, Table
from potentials.report import report
from potentials.report.gathering import Origin, gather
from potentials.report.report import SECTIONS, Entry, make_page, write_report
from potentials.report.summary import judgments, summary


@pytest.fixture
def entries(monkeypatch):
    """Sections that are quickly made."""
    calls = []

    def good(subject):
        calls.append("good")
        marks = [Mark("good", "1 %"), Mark("look", "20 %")]
        table = Table(["what", "judgment", "share"], [["first", marks[0], ""], ["second", "", marks[1]]])
        return Section("Good", "small.", [Row([table])])

    def failing(subject):
        raise SimulationError("the crystal melted; <use> another")

    found = {
        "good": Entry("Good", good),
        "failing": Entry("Failing", failing),
        "long": Entry("Long", good, simulates=True),
    }
    monkeypatch.setattr(report, "SECTIONS", found)
    return calls


@pytest.fixture
def subject(toy_folder):
    return gather(Origin.of(toy_folder))


def test_what_a_section_cannot_do_stands_in_its_place(entries, subject):
    said = []
    page = make_page(subject, say=said.append)
    assert [section.title for section in page.sections] == ["Summary", "Good", "Failing", "Good"]
    assert page.sections[2].missing == "the crystal melted; <use> another"
    assert "&lt;use&gt;" in page.html()
    assert said == ["report 1/3: good", "report 2/3: failing", "report 3/3: long"]


def test_faults_of_the_program_are_not_hidden(entries, subject, monkeypatch):
    def broken(subject):
        raise KeyError("a fault")

    monkeypatch.setattr(report, "SECTIONS", {"broken": Entry("Broken", broken)})
    with pytest.raises(KeyError):
        make_page(subject)


def test_a_quick_report_leaves_out_what_simulates(entries, subject):
    page = make_page(subject, quick=True)
    assert "quick report" in page.sections[3].missing
    assert entries == ["good"]


def test_sections_can_be_skipped_by_name(entries, subject):
    page = make_page(subject, skip=["failing", "long"])
    assert [section.title for section in page.sections] == ["Summary", "Good"]
    assert "Skipped: failing, long." in page.footer
    with pytest.raises(DataError, match='unknown section "god"; expected one of good, failing, long'):
        make_page(subject, skip=["god"])


def test_the_summary_names_the_worst_of_each_section(subject):
    marks = [Mark("good", "1 %"), Mark("bad", "90 %"), Mark("none", "-")]
    doubtful = Section("Doubtful", parts=[Table(["part", "share"], [["d", Mark("look", "20 %")]])])
    table = Table(["part", "share"], [[name, mark] for name, mark in zip("abc", marks, strict=True)])
    judged = Section("Judged", "at most 10 %.", [Row([table])])
    assert [found.what for found in judgments(judged)] == ["a: share 1 %", "b: share 90 %"]
    missing = Section("Missing", missing="no data")
    rows = summary(subject, [judged, doubtful, missing, Section("Silent")]).parts[-1].rows
    assert rows == [
        ["Judged", "1 good, 1 bad", "b: share 90 %", Mark("bad", "bad"), "at most 10 %."],
        ["Doubtful", "1 check", "d: share 20 %", Mark("look", "check"), ""],
        ["Missing", "-", "no data", Mark("none", "not available"), ""],
    ]


def test_a_report_is_written_whole_or_not_at_all(entries, toy_folder, tmp_path, monkeypatch):
    target = tmp_path / "page.html"
    target.write_text("before")

    def full(path, text):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(report, "write_text", full)
        with pytest.raises(DataError, match="cannot write the report"):
            write_report(toy_folder, target)
    assert target.read_text() == "before"
    assert write_report(toy_folder, target) == target
    assert target.read_text().rstrip().endswith("</html>")


def test_a_folder_that_cannot_be_written_to_is_told_of_before_the_work(entries, toy_folder, tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        write_report(toy_folder, tmp_path / "nowhere" / "page.html")
    assert entries == []


def test_the_whole_report_of_a_run(toy_folder, tmp_path):
    data = [name for name, entry in SECTIONS.items() if not entry.simulates]
    skip = set(SECTIONS) - {"learning", "parity", "errors", "worst", "provenance"}
    target = write_report(toy_folder, tmp_path / "page.html", skip=skip)
    text = target.read_text()
    assert target.stat().st_size < 10 * 2**20
    assert {"learning", "parity", "errors", "worst", "provenance"} <= set(data)
    for word in ("builtin:copper, frame", "resolved.yaml", "stress components", "Learning curves", "reference force"):
        assert word in text
    assert "http://" not in text.partition("<main")[2].partition("</main>")[0]


@pytest.mark.parametrize("family", ["ace", "mace", "ponita"])
def test_a_model_file_alone_with_data(tmp_path, repository, family):
    model = repository / f"tests/model_files/0.1.0/{family}.potential"
    frames = {"some": label_frames(read_frames("builtin:ethanol@5:8"), DataConfig(train="unused"))}
    skip = set(SECTIONS) - {"learning", "parity", "errors", "worst", "provenance"}
    text = write_report(model, tmp_path / "page.html", frames, skip=skip).read_text()
    assert "builtin:ethanol, frame" in text
    reason = "fitted in closed form" if family == "ace" else "contains no resolved.yaml"
    assert reason in text
    assert "The training frames are not available" in text
