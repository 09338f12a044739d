from pathlib import Path

import pytest

from potentials.cli.terminal import console


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.2345, "1.23"),
        (123.45, "123"),
        (98765.4, "98765"),
        (0.0012345, "0.00123"),
        (-0.5, "-0.500"),
        (1e-9, "1.00e-09"),
        (float("nan"), "-"),
        (float("inf"), "inf"),
    ],
)
def test_numbers_have_three_digits(value, text):
    assert console.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0123, "12.3 ms"), (5.2, "5.20 s"), (45.4, "45s"), (65, "1m 5s"), (3599.9, "1h"), (7384, "2h 3m")],
)
def test_durations_are_as_precise_as_a_person_wants(seconds, text):
    assert console.duration(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(12, "12 B"), (312_000, "312 kB"), (1.24e6, "1.24 MB"), (31e9, "31.0 GB")])
def test_sizes(count, text):
    assert console.size(count) == text


def test_energies_in_milli_units():
    assert console.milli(0.0234) == "23.4"


def test_paths_are_relative_inside_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert console.path("runs/a") == str(Path("runs/a"))
    assert console.path(tmp_path.parent / "b") == str(tmp_path.parent / "b")
