import csv
import io

import numpy as np
import pytest

from potentials.dashboard.reading.growing_table import GrowingTable, parse_rows


def read_all(table, path):
    blocks = []
    with path.open("rb") as file:
        while True:
            blocks.append(table.read(file))
            if blocks[-1].at_end:
                return blocks


def with_the_csv_module(text, width):
    rows = [row for row in csv.reader(io.StringIO(text)) if len(row) == width]
    return np.array([[float(cell) if cell else np.nan for cell in row] for row in rows]).reshape(-1, width)


@pytest.mark.parametrize(
    "text",
    [
        "1,2,3\n4,5,6\n",
        ",2,\n,,\n1,,3\n",
        "1,2,3\n4,5\n6,7,8,9\n10,11,12\n",  # too short and too long by as much
        "1,nan,3\n4,inf,-1e-300\n",
        "1,2,3\n\n4,5,6\n",
        "0.1,2e5,-3\r\n4,,6\r\n",
        "007,1.,.5\n",
    ],
)
def test_rows_are_those_of_the_csv_module(text):
    np.testing.assert_array_equal(parse_rows(text.encode(), 3), with_the_csv_module(text, 3))


def test_rows_with_words_are_left_out():
    text = b'1,2,3\nx,5,6\n"7",8,9\n[1],2,3\n4,{},6\n10,11,12\n\xff\x00,1,2\n'
    assert parse_rows(text, 3).tolist() == [[1, 2, 3], [10, 11, 12]]


def test_what_is_added_is_read_once(tmp_path):
    path = tmp_path / "steps.csv"
    path.write_text("step,loss,other\n1,0.5,\n2,0.4")
    table = GrowingTable(["loss", "step", "absent"])
    (first,) = read_all(table, path)
    assert first.anew
    np.testing.assert_array_equal(first.values, [[0.5, 1, np.nan]])
    with path.open("a") as file:
        file.write("5,7\n3,0.25,8\n")
    (second,) = read_all(table, path)
    assert not second.anew
    np.testing.assert_array_equal(second.values[:, :2], [[0.45, 2], [0.25, 3]])
    (third,) = read_all(table, path)
    assert len(third.values) == 0


@pytest.mark.parametrize("new", ["step,loss\n1,9\n", "step,loss\n1,8\n2,7\n3,6\n4,5\n"], ids=["shorter", "longer"])
@pytest.mark.parametrize("in_place", [True, False])
def test_another_file_is_read_anew(tmp_path, new, in_place):
    path = tmp_path / "steps.csv"
    path.write_text("step,loss\n1,1\n2,1\n3,1\n")
    table = GrowingTable(["step", "loss"])
    read_all(table, path)
    if in_place:
        path.write_text(new)
    else:
        (tmp_path / "new").write_text(new)
        (tmp_path / "new").replace(path)
    (block,) = read_all(table, path)
    assert block.anew
    np.testing.assert_array_equal(block.values, with_the_csv_module(new.partition("\n")[2], 2))


@pytest.mark.parametrize(
    "contents", [b"", b"step", b"\xff\xfe\x00" * 999, b"a,b\n1,2\n", b"{}\n" * 99, b"step," * 99_999]
)
def test_other_files_have_no_rows(tmp_path, contents):
    path = tmp_path / "steps.csv"
    path.write_bytes(contents)
    assert sum(len(block.values) for block in read_all(GrowingTable(["step"]), path)) == 0


def test_a_line_without_end_is_passed_over(tmp_path):
    path = tmp_path / "steps.csv"
    path.write_bytes(b"step,loss\n1,2\n" + b"9" * 9_000_000 + b"\n3,4\n5,6\n")
    rows = np.concatenate([block.values for block in read_all(GrowingTable(["step", "loss"]), path)])
    assert rows.tolist() == [[1, 2], [3, 4], [5, 6]]


def test_samples_are_rows_of_the_file(tmp_path):
    path = tmp_path / "steps.csv"
    path.write_text("step,loss\n" + "".join(f"{row},{row * row}\n" for row in range(50_000)))
    with path.open("rb") as file:
        sample = GrowingTable(["step", "loss"]).sample(file, 500)
    assert 450 <= len(sample) <= 500
    assert (np.diff(sample[:, 0]) > 0).all()
    np.testing.assert_array_equal(sample[:, 1], sample[:, 0] ** 2)
