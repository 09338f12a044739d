import numpy as np
import pytest

from potentials.report.predictions.thinning import density, thinned_curve, thinned_points


def test_points_keep_the_largest_errors_and_the_ends():
    random = np.random.default_rng(0)
    label, residual = random.normal(size=5000), random.normal(size=5000)
    residual[17] = np.nan
    places = thinned_points(label, residual, 300, seed=1)
    assert len(places) == len(set(places.tolist())) == 300
    assert (np.diff(places) > 0).all()
    largest = np.argsort(-np.abs(np.where(np.isnan(residual), np.inf, residual)))[:150]
    assert {17, int(label.argmin()), int(label.argmax()), *largest.tolist()} <= set(places.tolist())
    # The others are a fair choice: their labels are distributed as all are.
    others = np.setdiff1d(places, largest)
    assert label[others].std() == pytest.approx(1.0, abs=0.25)
    assert np.array_equal(places, thinned_points(label, residual, 300, seed=1))


def test_few_points_are_all_kept():
    assert thinned_points(np.arange(9.0), np.zeros(9), 10, 1).tolist() == list(range(9))
    assert thinned_curve(np.arange(5.0), 5).tolist() == list(range(5))


def test_curves_keep_every_peak():
    values = np.sin(np.arange(100_000) / 7000)
    values[[123, 77_777]] = 9.0, -9.0
    values[500:600] = np.nan
    places = thinned_curve(values, 1000)
    assert len(places) <= 1000
    assert {0, 123, 77_777, 99_999} <= set(places.tolist())
    assert (np.diff(places) > 0).all()


def test_curves_of_nothing_but_nan_keep_their_ends():
    assert thinned_curve(np.full(100, np.nan), 10).tolist() == [0, 99]


def test_density_counts_the_points_of_a_cell():
    random = np.random.default_rng(0)
    x, y = random.normal(size=400), random.normal(size=400)
    cells = 7
    found = density(x, y, cells)
    edges = [np.linspace(values.min(), values.max(), cells + 1) for values in (x, y)]
    counts, *_ = np.histogram2d(x, y, edges)
    inside = [
        np.clip(np.searchsorted(edge, values, side="right") - 1, 0, cells - 1)
        for edge, values in zip(edges, (x, y), strict=True)
    ]
    assert np.array_equal(found, counts[inside[0], inside[1]])
    assert density(np.ones(3), np.ones(3)).tolist() == [3.0, 3.0, 3.0]
