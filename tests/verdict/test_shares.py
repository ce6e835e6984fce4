"""Intervals of shares that all repeats have of the same calls: by hand, by coverage, and at their edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from rfcx_lab.verdict.intervals import mean_interval
from rfcx_lab.verdict.shares import Draw, mean_difference, mean_share

OPTIONS = {"validation_fraction": 0.25, "confidence": 0.95}
VALUES = [0.30, 0.34, 0.27, 0.33]


def test_variances_of_repeats_and_of_the_draw_add_up() -> None:
    repeats, draw = np.var(VALUES, ddof=1) * (1 / 4 + 1 / 3), 0.0009
    freedom = (repeats + draw) ** 2 / (repeats**2 / 3 + draw**2 / 79)
    interval, p = mean_difference(VALUES, Draw(draw, 80), **OPTIONS)
    reach = stats.t.ppf(0.975, freedom) * math.sqrt(repeats + draw)
    assert interval == pytest.approx((0.31, 0.31 - reach, 0.31 + reach))
    assert p == pytest.approx(2 * stats.t.sf(0.31 / math.sqrt(repeats + draw), freedom))


def test_without_a_spread_a_share_has_the_exact_interval_of_its_calls() -> None:
    share, calls = 0.2, 100_000
    interval = mean_share([share] * 4, Draw(share * (1 - share) / calls, calls), rows=calls, **OPTIONS)
    assert interval == pytest.approx((share, *stats.binomtest(20_000, calls).proportion_ci(0.95)), abs=1e-6)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_of_none_or_all_is_not_certain(share: float) -> None:
    _, low, high = mean_share([share] * 4, Draw(0.0, 40), rows=400, **OPTIONS)  # type: ignore[misc]
    expected = stats.binomtest(round(40 * share), 40).proportion_ci(0.95)
    assert (low, high) == pytest.approx(tuple(expected), abs=0.01)


def test_a_share_never_leaves_0_to_1() -> None:
    _, low, high = mean_share([0.01, 0.0, 0.12, 0.05], Draw(0.0002, 300), rows=300, **OPTIONS)  # type: ignore[misc]
    assert 0 <= low < 0.01
    assert 0.12 < high < 1
    assert mean_interval([0.01, 0.0, 0.12, 0.05], **OPTIONS)[1] < 0  # type: ignore[index,operator]


def test_a_share_of_nearly_none_is_about_as_sure_as_one_of_none() -> None:
    none, nearly = (mean_share([share] * 4, Draw(0.0, 19), rows=190, **OPTIONS) for share in (0.0, 0.004))
    assert none is not None and nearly is not None and none[2] is not None and nearly[2] is not None
    assert none[2] < nearly[2] < none[2] + 0.05


def test_a_difference_that_every_call_has_hangs_on_how_many_there_are() -> None:
    _, few = mean_difference([1.0] * 4, Draw(0.0, 3), **OPTIONS)
    _, many = mean_difference([1.0] * 4, Draw(0.0, 30), **OPTIONS)
    assert few is not None and many is not None
    assert many < 1e-6 < 0.05 < few * 2
    assert mean_difference([0.0] * 4, Draw(0.0, 30), **OPTIONS)[1] == 1


def test_what_one_repeat_or_one_recording_leaves_unknown() -> None:
    for values, draw in (([0.4], Draw(0.001, 30)), ([0.4, 0.5], Draw(0.0, 1))):
        mean = pytest.approx(np.mean(values))
        assert mean_share(values, draw, rows=30, **OPTIONS) == (mean, None, None)
        assert mean_difference(values, draw, **OPTIONS) == ((mean, None, None), None)
    assert mean_share([], Draw(0.0, 0), rows=0, **OPTIONS) is None
    assert mean_difference([], Draw(0.0, 0), **OPTIONS) == (None, None)


@pytest.mark.parametrize("repeats", [3, 12])
def test_intervals_cover_where_repeats_share_their_calls(repeats: int) -> None:
    """Fits that agree on most calls: their spread alone covers the truth half to three quarters of the time."""
    rng = np.random.default_rng(repeats)
    calls, truth, held, naive = 200, 0.3, [], []
    for _ in range(1500):
        named = np.tile(rng.random(calls) < truth, (repeats, 1))  # rightly, by every fit
        differs = rng.random((repeats, calls)) < 0.1
        named[differs] = rng.random(differs.sum()) < truth
        values = list(named.mean(axis=1))
        draw = Draw(float(np.var(named.mean(axis=0), ddof=1)) / calls, calls)
        for interval, found in (
            (mean_share(values, draw, rows=calls, **OPTIONS), held),
            (mean_interval(values, **OPTIONS), naive),
        ):
            found.append(interval[1] <= truth <= interval[2])  # type: ignore[index,operator]
    assert 0.94 <= np.mean(held) <= 0.98
    assert np.mean(naive) < 0.8
