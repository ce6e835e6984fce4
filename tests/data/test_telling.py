"""What a number or a recording tells of the label, and intervals that count recordings."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from rfcx_lab.data.telling import clustered_interval, drawn_variance, majority, told_by_company, told_by_value


def names(codes) -> np.ndarray:
    return np.asarray(codes).astype(str)


def lengths(rng: np.random.Generator, *, rows: int, noise: float = 0.5):
    """Four species as frequent as 4 : 3 : 2 : 1, whose lengths overlap."""
    labels = rng.choice(4, rows, p=[0.4, 0.3, 0.2, 0.1])
    return labels + rng.normal(0, noise, rows), labels


@pytest.mark.parametrize("share", [0.04, 0.5, 0.99])
@pytest.mark.parametrize("alike", [0.0, 0.3, 0.8])
def test_interval_covers_the_true_share(share, alike):
    """Rows of a recording are alike by so much: 60 recordings of 1 to 15 rows, 400 draws."""
    rng, covered, above, naively = np.random.default_rng(0), 0, 0, 0
    for _ in range(400):
        sizes = rng.integers(1, 16, 60)
        recordings = names(np.repeat(np.arange(60), sizes))
        own = np.full(60, share)
        if alike:
            own = rng.beta(share * (1 - alike) / alike, (1 - share) * (1 - alike) / alike, 60)
        hits = (rng.random(len(recordings)) < np.repeat(own, sizes)).astype(float)
        _, low, high = clustered_interval(hits, [recordings])
        covered += low <= share <= high
        above += low > share
        _, low, high = clustered_interval(hits, [names(np.arange(len(hits)))])
        naively += low <= share <= high
    # Of 4 % in recordings that are nearly all or none, two or three recordings hold all hits: 90 % at 2000 draws.
    assert covered >= (0.87 if share == 0.04 and alike == 0.8 else 0.9) * 400
    if share <= 0.5:
        assert above <= 0.04 * 400  # what makes a signal red when it should not be
    if alike:
        assert naively < 0.85 * 400  # rows counted as independent: this test sees the difference


def test_interval_covers_what_a_length_tells_of_new_recordings():
    """Truth: the same vote, trained on a whole table, on 20,000 fresh rows; 60 tables of 400 rows."""
    rng = np.random.default_rng(1)
    intervals, truths = [], []
    for _ in range(60):
        values, labels = lengths(rng, rows=400)
        recordings = names(np.repeat(np.arange(80), 5))
        hits = told_by_value(values, labels, recordings=recordings)
        intervals.append(clustered_interval(hits, [recordings]))
        fresh, truth = lengths(rng, rows=20_000)
        vote = KNeighborsClassifier(45, weights="distance").fit(values[:, None], labels)
        truths.append(float((vote.predict(fresh[:, None]) == truth).mean()))
    true = np.mean(truths)
    assert 0.6 < true < 0.8
    assert sum(low <= true <= high for _, low, high in intervals) >= 54
    assert np.mean([high - low for _, low, high in intervals]) < 0.12  # and it isn't merely wide


def test_two_clusterings_are_wider_than_either():
    """Rows that are alike within recordings and, across them, within sources."""
    rng = np.random.default_rng(2)
    recordings, sources = np.repeat(np.arange(40), 10), np.tile(np.arange(40), 10)
    hits = (rng.random(40)[recordings] + rng.random(40)[sources] > 1).astype(float)
    wide = [high - low for _, low, high in (
        clustered_interval(hits, [names(recordings)]),
        clustered_interval(hits, [names(sources)]),
        clustered_interval(hits, [names(recordings), names(sources)]),
    )]  # fmt: skip
    assert wide[2] > 1.2 * max(wide[:2])


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_perfect_signal_is_as_sure_as_there_are_recordings(value):
    recordings = names(np.repeat(np.arange(30), 20))
    point, low, high = clustered_interval(np.full(600, value), [recordings])
    assert point == value
    assert 0.05 < high - low < 0.2  # 600 independent rows would give .006
    assert clustered_interval(np.full(600, value), [names(np.zeros(600))]) == (value, 0.0, 1.0)


def test_a_recording_does_not_tell_on_itself():
    """Boxes as long as their recording alone has them, one species per recording: known rows would name all others."""
    rng = np.random.default_rng(3)
    recordings = np.repeat(np.arange(120), 5)
    labels = rng.integers(0, 6, 120)[recordings]
    values = rng.uniform(0.3, 8, 120)[recordings]
    grouped = told_by_value(values, labels, recordings=names(recordings))
    assert grouped.mean() < 0.3
    ungrouped = told_by_value(values, labels, recordings=names(np.arange(600)))
    assert ungrouped.mean() > 0.95  # the leak is there to be fallen for


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_order_of_the_rows_does_not_matter(order):
    rng = np.random.default_rng(4)
    labels = np.sort(rng.integers(0, 5, 500))
    values = labels // 2 * 10  # two species share each value: at best 3 of 5 are named
    recordings = names(rng.integers(0, 100, 500))
    rows = np.arange(500) if order == "sorted" else rng.permutation(500)
    hits = told_by_value(values[rows], labels[rows], recordings=recordings[rows])
    assert 0.5 < hits.mean() < 0.68
    assert set(hits.tolist()) == {0.0, 1.0}


def test_a_constant_tells_what_the_majority_does():
    labels = np.array([0, 0, 0, 1, 2, 2])
    hits = told_by_value(np.full(6, 32), labels, recordings=names(np.arange(6)))
    assert hits.mean() == majority(labels)[1] == 0.5


def test_company_tells_without_the_row_itself():
    values, labels = names(list("aaabbc")), np.array([1, 1, 0, 2, 2, 0])
    everyone = np.ones(6, dtype=bool)
    # a: rows 0 and 1 see one of each other species (a draw), row 2 only others; b: both named; c: alone, majority 0.
    np.testing.assert_allclose(told_by_company(values, labels, among=everyone), [0.5, 0.5, 0.0, 1.0, 1.0, 1.0])
    nobody = told_by_company(values, labels, among=~everyone)
    np.testing.assert_allclose(nobody, labels == majority(labels)[0])


def test_variance_of_a_draw_is_that_over_recordings():
    values, recordings = np.array([1.0, -1.0, 0.0, 0.0, 1.0, 1.0]), names([0, 1, 2, 3, 4, 5])
    assert drawn_variance(values, recordings) == (pytest.approx(np.var(values, ddof=1) / 6), 6)
    twice = drawn_variance(np.repeat(values, 2), np.repeat(recordings, 2))
    assert twice == (pytest.approx(np.var(values, ddof=1) / 6), 6)  # the same calls twice are no further evidence
    assert drawn_variance(values, names([0] * 6)) == (0.0, 1)
