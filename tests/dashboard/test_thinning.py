import numpy as np
import pytest

from potentials.dashboard.reading.thinning import MOST_BUCKETS, ThinnedCurves


def brute_force(places, values, size, column, axis):
    """The smallest and the largest finite value of every `size` rows, as they stand."""
    points = []
    for begin in range(0, len(values), size):
        rows = [row for row in range(begin, min(begin + size, len(values))) if np.isfinite(values[row, column])]
        if not rows:
            points += [(None, np.nan)] * (1 if size == 1 else 2)
            continue
        low = min(rows, key=lambda row: values[row, column])
        high = max(rows, key=lambda row: values[row, column])
        chosen = [low] if size == 1 else sorted([low, high])
        points += [(places[row, axis], values[row, column]) for row in chosen]
    return points


@pytest.mark.parametrize("rows", [0, 1, 700, 1024, 1025, 2500, 20_000])
@pytest.mark.parametrize("pieces", ["whole", "single rows first", "random"])
def test_extremes_are_those_of_brute_force_in_whatever_pieces_rows_come(rows, pieces):
    random = np.random.default_rng(rows)
    places = np.cumsum(random.random((rows, 2)), axis=0)
    values = random.standard_normal((rows, 3))
    values[random.random((rows, 3)) < 0.3] = np.nan
    values[100:180, 1] = np.nan
    values[random.random((rows, 3)) < 0.01] = np.inf
    cuts = {
        "whole": [],
        "single rows first": range(1, min(rows, 40)),
        "random": np.sort(random.integers(0, rows + 1, 30)),
    }[pieces]
    curves = ThinnedCurves(2, 3)
    for some_places, some_values in zip(np.split(places, cuts), np.split(values, cuts), strict=True):
        curves.append(some_places, some_values)
    assert curves.rows == rows
    assert rows == 0 or curves.size >= rows / MOST_BUCKETS
    assert curves.size == 1 or curves.size < 2 * rows / MOST_BUCKETS
    for column in range(3):
        for axis in range(2):
            x, y = curves.points(column, axis)
            expected = brute_force(places, values, curves.size, column, axis)
            np.testing.assert_array_equal(y, [value for _, value in expected])
            known = [place is not None for place, _ in expected]
            np.testing.assert_array_equal(x[known], [place for place, _ in expected if place is not None])


def test_a_spike_among_a_hundred_thousand_rows_is_kept_where_it_was():
    values = np.ones((100_000, 1))
    values[77_777] = 50.0
    curves = ThinnedCurves(1, 1)
    for piece in np.array_split(np.arange(100_000), 7):
        curves.append(piece[:, None].astype(float), values[piece])
    x, y = curves.points(0, 0)
    assert x[y == 50.0].tolist() == [77_777.0]
    assert len(y) <= 2 * MOST_BUCKETS


def test_news_begin_at_a_bucket():
    curves = ThinnedCurves(1, 1)
    row = np.arange(5000.0)[:, None]
    curves.append(row, np.sin(row))
    x, y = curves.points(0, 0)
    later_x, later_y = curves.points(0, 0, first=100)
    kept = 100 * curves.points_of_bucket
    np.testing.assert_array_equal(later_x, x[kept:])
    np.testing.assert_array_equal(later_y, y[kept:])
