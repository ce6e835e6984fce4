"""Intervals against scipy, by coverage, and at their edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from rfcx_lab.errors import LabError
from rfcx_lab.verdict.intervals import mean_and_error, mean_interval, median_interval, share_interval


@pytest.mark.parametrize(("hits", "total"), [(0, 6), (1, 6), (3, 6), (6, 6), (17, 40)])
def test_share_is_clopper_pearson(hits: int, total: int) -> None:
    expected = stats.binomtest(hits, total).proportion_ci(0.95, method="exact")
    assert share_interval(hits, total=total, confidence=0.95) == pytest.approx((hits / total, *expected))


def test_share_of_nothing() -> None:
    assert share_interval(0, total=0, confidence=0.95) is None
    with pytest.raises(LabError):
        share_interval(3, total=2, confidence=0.95)


@pytest.mark.parametrize("count", [6, 9, 15])
def test_median_interval_covers(count: int) -> None:
    rng = np.random.default_rng(count)
    held = []
    for _ in range(2000):
        _, low, high = median_interval(rng.exponential(size=count), confidence=0.95)  # type: ignore[misc]
        held.append(low <= math.log(2) <= high)
    exact = 1 - 2 * stats.binom.cdf(stats.binom.ppf(0.025, count, 0.5) - 1, count, 0.5)
    assert exact >= 0.95
    assert np.mean(held) == pytest.approx(exact, abs=0.015)


def test_median_interval_of_six_is_their_range() -> None:
    assert median_interval([5, 1, 4, 2, 6, 3], confidence=0.95) == (3.5, 1, 6)


def test_median_is_censored() -> None:
    assert median_interval([7, 8, 9, 10, math.inf, math.inf], confidence=0.95) == (9.5, 7, None)
    assert median_interval([7, 8, 9, math.inf, math.inf, math.inf], confidence=0.95) is None
    assert median_interval([], confidence=0.95) is None


def test_few_values_do_not_bound_the_median() -> None:
    assert median_interval([7, 8, 9, 10, 11], confidence=0.95) == (9, None, None)


def test_mean_error_is_widened_for_the_overlap() -> None:
    values = [2.0, 2.5, 2.2, 2.9, 2.4, 2.6]
    _, error = mean_and_error(values, validation_fraction=0.25)  # type: ignore[misc]
    naive = np.std(values, ddof=1) / np.sqrt(6)
    assert error == pytest.approx(naive * math.sqrt(1 + 6 * 0.25 / 0.75))


def test_mean_interval_is_students() -> None:
    values = [2.0, 2.5, 2.2, 2.9]
    interval = mean_interval(values, validation_fraction=1e-12, confidence=0.9)
    expected = stats.t.interval(0.9, 3, loc=np.mean(values), scale=stats.sem(values))
    assert interval == pytest.approx((np.mean(values), *expected))


def test_mean_of_one_or_none() -> None:
    assert mean_and_error([2.0], validation_fraction=0.25) == (2.0, None)
    assert mean_interval([2.0], validation_fraction=0.25, confidence=0.95) == (2.0, None, None)
    assert mean_and_error([], validation_fraction=0.25) is None


def test_impossible_fraction_raises() -> None:
    with pytest.raises(LabError, match="validation_fraction"):
        mean_and_error([1.0, 2.0], validation_fraction=1.0)
