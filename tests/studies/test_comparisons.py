"""Pairs of curves against closed forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from potentials.errors import ConfigError
from potentials.studies.comparisons import compare
from potentials.studies.results import RunResult
from potentials.studies.runs import StudyRun
from potentials.studies.study import load_study

SIZES = (10, 20, 40, 80)


def results(exponents: dict[str, list[float]]) -> list[RunResult]:
    """Exact power laws, one for each seed; every seed has a factor of its own, the same for all variants."""
    return [
        RunResult(StudyRun(variant, size, seed), {"forces_rmse": (1 + seed) * size**exponent}, {}, 1.0)
        for variant, of_seeds in exponents.items()
        for seed, exponent in enumerate(of_seeds)
        for size in SIZES
    ]


def test_what_seeds_share_does_not_count() -> None:
    found = compare("a", "b", results({"a": [-0.5, -0.7, -0.6], "b": [-0.8, -1.0, -0.9]}), "forces_rmse")
    assert found.difference == pytest.approx(-0.3)
    assert (found.low, found.high) == pytest.approx((-0.3, -0.3))
    assert found.ratios == pytest.approx({size: size**-0.3 for size in SIZES})
    assert found.verdict == "steeper"


def test_the_interval_is_that_of_the_seeds() -> None:
    differences = np.array([-0.1, 0.2, 0.05])
    found = compare("a", "b", results({"a": [-0.5] * 3, "b": list(-0.5 + differences)}), "forces_rmse")
    expected = stats.t.interval(0.95, 2, differences.mean(), stats.sem(differences))
    assert (found.low, found.high) == pytest.approx(expected)
    assert found.verdict == "not significant"
    flatter = compare("a", "b", results({"a": [-0.5] * 3, "b": [-0.3, -0.31, -0.29]}), "forces_rmse")
    assert flatter.verdict == "flatter"


def test_one_seed_and_too_few_sizes() -> None:
    one = compare("a", "b", results({"a": [-0.5], "b": [-0.8]}), "forces_rmse")
    assert one.difference == pytest.approx(-0.3)
    assert np.isnan(one.low)
    assert one.verdict == "not significant"
    assert one.interval == "-0.30, one seed"
    few = [result for result in results({"a": [-0.5], "b": [-0.8]}) if result.run.size < 40]
    assert compare("a", "b", few, "forces_rmse") is None
    assert compare("a", "c", few, "forces_rmse") is None


def test_a_study_names_variants_it_has(study_file: Path) -> None:
    text = study_file.read_text()
    study_file.write_text(text + "comparisons: [[schnet, wide]]\n")
    assert load_study(study_file).comparisons == [["schnet", "wide"]]
    study_file.write_text(text + "comparisons: [[schnet, wider]]\n")
    with pytest.raises(ConfigError, match='expected names of variants, got "wider"'):
        load_study(study_file)
