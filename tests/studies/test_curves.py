"""Power laws against closed forms, and a study in figures, words and files."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from potentials.studies.curves import fit_power_law
from potentials.studies.report import comparison_table, curve_table, write_report
from potentials.studies.results import RunResult
from potentials.studies.runs import Plan, StudyRun
from potentials.studies.study import load_study
from potentials.studies.summary import describe_summary, summarize


def test_an_exact_power_law() -> None:
    sizes = [25, 50, 100, 400]
    law = fit_power_law(sizes, [3.0 * size**-0.7 for size in sizes])
    assert law.factor == pytest.approx(3.0)
    assert (law.low, law.exponent, law.high) == pytest.approx((-0.7,) * 3)
    assert law.gain == pytest.approx(2**0.7)
    assert law.at(1000) == pytest.approx(3.0 * 1000**-0.7)


def test_the_interval_holds_the_exponent_as_often_as_it_says() -> None:
    """Of noisy data drawn many times, 95 % of the intervals contain the true exponent, whether the noise is of each
    point or of all points of a size."""
    rng = np.random.default_rng(0)
    sizes = np.repeat([25, 50, 100, 200], 3)
    hits = 0
    for number in range(1000):
        own, common = (0.1, 0.0) if number % 2 else (0.05, 0.1)
        noise = own * rng.normal(size=len(sizes)) + common * np.repeat(rng.normal(size=4), 3)
        law = fit_power_law(sizes, 5.0 * sizes**-0.5 * np.exp(noise))
        hits += law.low < -0.5 < law.high
        assert law.gain_interval[0] < law.gain < law.gain_interval[1]
    assert 930 < hits < 970


@pytest.mark.parametrize("sizes", [[], [25], [25, 50], [25, 25, 25], [25, 25, 50, 50]], ids=str)
def test_too_few_points(sizes: list[int]) -> None:
    assert fit_power_law(sizes, [1.0 + n for n in range(len(sizes))]) is None


@pytest.fixture
def plan(study_file: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setattr("potentials.studies.summary.num_parameters", lambda plan, run: 1234)
    study_file.write_text(study_file.read_text().replace("sizes: [16, 8]", "sizes: [16, 8, 32]"))
    return Plan(load_study(study_file))


def results(plan: Plan) -> list[RunResult]:
    """schnet halves its error with twice the frames, wide divides it by four; the seeds are 10 % apart; no ace."""
    found = []
    for run in plan.runs:
        power = {"schnet": 1, "wide": 2}.get(run.variant)
        if power:
            error = 0.8 * (8 / run.size) ** power * (1.1 if run.seed == 2 else 1 / 1.1)
            found.append(RunResult(run, {"forces_rmse": error, "energy_per_atom_mae": 0.1}, {"forces_rmse": 0.01}, 2.0))
    return found


def test_curves_and_words(plan: Plan) -> None:
    summary = summarize(plan, results(plan))
    assert summary.missing == 6
    schnet, wide = summary.curves
    assert schnet.variant == "schnet"
    assert schnet.mean(8) == pytest.approx(800)
    assert schnet.mean(16) == pytest.approx(400)
    assert schnet.law.gain == pytest.approx(2)
    assert wide.law.gain == pytest.approx(4)
    words = describe_summary(summary)
    assert "Doubling the training data divides the force error (RMSE) by 4.00 for wide (" in words
    assert " and 2.00 for schnet (" in words
    assert "With 32 frames, from the smallest error to the largest: wide (50 meV/A), schnet (200 meV/A)." in words
    assert "training errors" not in words
    assert words.endswith("6 runs are not finished.")


def test_comparisons_in_words_and_tables(plan: Plan, tmp_path: Path) -> None:
    plan.study.comparisons.append(["schnet", "wide"])
    summary = summarize(plan, results(plan))
    assert (
        "wide has 1.00 times the error of schnet with 8 frames and 0.25 times with 32; the curve of wide is steeper "
        "(difference of exponents -1.00 (-1.00 to -1.00))."
    ) in describe_summary(summary)
    head, row = comparison_table(summary)
    assert head == ["variant", "against", "8", "16", "32", "difference of exponents", "curve"]
    assert row == ["wide", "schnet", "1.00", "0.50", "0.25", "-1.00 (-1.00 to -1.00)", "steeper"]
    assert "-1.00 (-1.00 to -1.00)" in write_report(plan.study, summary, tmp_path)[0].read_text()


def test_words_on_what_was_hardly_fitted(plan: Plan) -> None:
    found = [replace(r, train_errors={"forces_rmse": 0.04}) for r in results(plan)]
    words = describe_summary(summarize(plan, found))
    assert "the training errors of wide exceed 60 % of the test errors" in words


def test_files(plan: Plan, tmp_path: Path) -> None:
    summary = summarize(plan, results(plan))
    files = {file.name: file.read_bytes() for file in write_report(plan.study, summary, tmp_path)}
    assert files.keys() == {"report.html", "curves.svg", "results.csv", "results.json", "summary.txt"}
    rows = list(csv.DictReader(files["results.csv"].decode().splitlines()))
    assert len(rows) == 12
    assert float(rows[0]["train_forces_rmse"]) == pytest.approx(0.01)
    assert rows[0]["variant"] == "schnet"
    assert float(rows[0]["forces_rmse"]) == pytest.approx(0.8 / 1.1)
    data = json.loads(files["results.json"])
    assert data["curves"][1]["law"]["exponent"] == pytest.approx(-2)
    assert data["study"]["sizes"] == [16, 8, 32]
    page = files["report.html"].decode()
    assert describe_summary(summary) in page
    assert page.count("<svg") == 1
    assert "http-equiv" not in page
    assert "<script" not in page
    again = {file.name: file.read_bytes() for file in write_report(plan.study, summary, tmp_path)}
    assert again == files


def test_table(plan: Plan) -> None:
    rows = curve_table(
        summarize(plan, [*results(plan), RunResult(StudyRun("ace", 8, 1), {"forces_rmse": 0.05}, {}, 1.0)])
    )
    assert rows[0] == ["variant", "parameters", "8", "16", "32", "exponent", "gain per doubling"]
    assert rows[1][:5] == ["schnet", "1,234", "800", "400", "200"]
    assert rows[3] == ["ace", "1,234", "50", "-", "-", "-", "-"]


def test_names_are_escaped(plan: Plan, tmp_path: Path) -> None:
    study = plan.study.model_copy(update={"study": f"{tmp_path}/a&b"})
    (page, *_) = write_report(study, summarize(plan, results(plan)), tmp_path)
    assert "<h1>Learning curves: a&amp;b</h1>" in page.read_text()


def test_runs_without_the_metric_are_left_out(plan: Plan) -> None:
    summary = summarize(plan, [RunResult(plan.runs[0], {"energy_per_atom_mae": 0.1}, {}, 1.0)])
    assert summary.curves == []
    assert describe_summary(summary) == "17 runs are not finished."
