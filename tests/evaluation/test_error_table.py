"""Error tables as text and as JSON."""

from __future__ import annotations

import json
from dataclasses import replace

from potentials.evaluation.error_table import ErrorTable, SplitErrors, align
from potentials.evaluation.metrics import Error, PropertyErrors
from potentials.evaluation.symmetry import RotationError

NOTHING = PropertyErrors(None, None, None, None)
MEASURED = PropertyErrors(Error(2.0, 3.0, 4), Error(0.00212, 0.00345, 4), Error(0.0511, 0.0623, 60), None)
PART = SplitErrors(
    split="test 300K",
    frames=4,
    atoms=20,
    errors=MEASURED,
    elements={"H": Error(0.01, 0.02, 30), "C": Error(1.2, 1.5, 30)},
    groups={"hot": MEASURED, "cold": NOTHING},
)


def test_text_has_milli_units_and_only_what_was_measured():
    lines = ErrorTable([PART, SplitErrors("train", 12345, 9, NOTHING)]).text().splitlines()
    assert lines[0].split() == ["split", "frames", "energy", "MAE", "RMSE", "forces", "MAE", "RMSE"]
    assert lines[1].split() == ["test", "300K", "4", "2.12", "3.45", "51.1", "62.3"]
    assert lines[2].split() == ["train", "12345", "-", "-", "-", "-"]


def test_in_few_columns_there_is_a_line_for_each_property():
    table = ErrorTable([PART, SplitErrors("train", 12345, 9, MEASURED), SplitErrors("test", 1, 2, NOTHING)])
    whole = table.text()
    widest = max(map(len, whole.splitlines()))
    assert table.text(widest) == whole
    lines = table.text(widest - 1).splitlines()
    assert all(len(line) <= 42 for line in lines)
    assert [line.split() for line in lines] == [
        ["MAE", "RMSE"],
        ["test", "300K", "4", "energy", "2.12", "3.45"],
        ["forces", "51.1", "62.3"],
        ["train", "12345", "energy", "2.12", "3.45"],
        ["forces", "51.1", "62.3"],
        ["test", "1", "-", "-"],
    ]


def test_groups_and_elements():
    table = ErrorTable([PART])
    assert [line.split() for line in table.group_text(PART).splitlines()[1:]] == [
        ["hot", "2.12", "3.45", "51.1", "62.3"],
        ["cold", "-", "-", "-", "-"],
    ]
    assert [line.split() for line in table.element_text(PART).splitlines()[1:]] == [
        ["H", "10.0", "20.0"],
        ["C", "1200", "1500"],
    ]


def test_json_round_trip():
    table = ErrorTable([PART, SplitErrors("train", 1, 2, NOTHING)])
    data = json.loads(json.dumps(table.to_json()))
    assert ErrorTable.from_json(data) == table
    assert data["splits"][0]["errors"]["stress"] is None


def test_what_rotations_change_stands_below_the_table():
    rotation = RotationError(frames=50, energy_per_atom=0.000523, forces=0.01214, force_size=1.0)
    parts = [SplitErrors("train", 1, 2, NOTHING), replace(PART, rotation=rotation)]
    lines = ErrorTable(parts).text().splitlines()
    assert len(lines) == 4
    assert lines[3].startswith("test 300K: rotating and mirroring the frames changes energies by 0.523 meV/atom")
    assert "forces by 12.1 meV/A (RMS; 50 frames in 12 orientations each)" in lines[3]
    data = json.loads(json.dumps(ErrorTable(parts).to_json()))
    assert ErrorTable.from_json(data) == ErrorTable(parts)
    for part in data["splits"]:
        del part["rotation"]  # a file written before there was one
    assert ErrorTable.from_json(data).splits[1] == PART


def test_columns_line_up():
    assert align([["a", "bbb"], ["long", "1"]]) == "a     bbb\nlong    1"
