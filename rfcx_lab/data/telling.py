"""How much of the label something that is no sound tells: accuracies, with intervals that respect recordings.

Rows of one recording are no independent draws: none is judged by what was learnt from another one of them, and an
interval counts recordings, not rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn.model_selection import GroupKFold
from sklearn.neighbors import KNeighborsClassifier

CONFIDENCE = 0.95

NEIGHBOURS = 45
"""Weighted by their distance, so many neighbours act as one where boxes are templates (an equal box outweighs all
others), and as a smooth vote where lengths merely lean towards a species."""

FOLDS = 10

Told = tuple[float, float, float]  # accuracy and both ends of its interval
Share = NDArray[np.float64]


def majority(labels: NDArray[np.int64]) -> tuple[int, float]:
    """The most frequent label (the lowest of several) and its share of the rows `[N]`."""
    counts = np.bincount(labels)
    return int(counts.argmax()), float(counts.max() / len(labels))


def told_by_value(values: ArrayLike, labels: NDArray[np.int64], *, recordings: NDArray[np.str_]) -> Share:
    """For every row `[N]`, 1 where a number tells its label and 0 where it does not.

    A nearest-neighbour vote, cross-validated with whole recordings left out. Where the number is the same for all
    rows the best guess is the most frequent label.
    """
    column = np.asarray(values, dtype=np.float64).reshape(-1, 1)
    groups = len(np.unique(recordings))
    if np.all(column == column[0]) or groups < 2:
        return (labels == majority(labels)[0]).astype(np.float64)
    # Among neighbours that are equally far the order of the rows decides, and tables come sorted.
    order = np.random.default_rng(0).permutation(len(labels))
    column, labels, recordings = column[order], labels[order], recordings[order]
    guess = np.empty_like(labels)
    splitter = GroupKFold(n_splits=min(FOLDS, groups), shuffle=True, random_state=0)
    for train, held in splitter.split(column, labels, recordings):
        vote = KNeighborsClassifier(min(NEIGHBOURS, len(train)), weights="distance").fit(column[train], labels[train])
        guess[held] = vote.predict(column[held])
    hits = np.empty(len(labels))
    hits[order] = guess == labels
    return hits


def told_by_company(values: NDArray[np.str_], labels: NDArray[np.int64], *, among: NDArray[np.bool_]) -> Share:
    """For every row `[N]`, the chance that the other rows with the same value tell its label.

    The guess is the most frequent label of those others, drawn by lot among several; for a row that has no company,
    or that `among` leaves out, it is the most frequent label of all.
    """
    codes = np.unique(values, return_inverse=True)[1]
    counts = np.zeros((codes.max() + 1, labels.max() + 1), dtype=np.int64)
    np.add.at(counts, (codes, labels), 1)
    others = counts[codes]
    others[np.arange(len(labels)), labels] -= 1  # never the row itself
    most = others.max(axis=1)
    winners = others == most[:, None]
    chance = winners[np.arange(len(labels)), labels] / winners.sum(axis=1)
    return np.where((most > 0) & among, chance, labels == majority(labels)[0])


def clustered_interval(hits: Share, clusterings: Sequence[NDArray[np.str_]]) -> Told:
    """Mean of `hits` `[N]`, each in [0, 1], with its 95 % interval; rows of one cluster are not independent.

    The exact binomial interval for so many independent rows as have the mean's variance over clusters (Korn and
    Graubard, Survey Methodology 24, 1998): unlike the normal one it holds near 0 and 1, where a nearly perfect
    signal lies. Several clusterings of the same rows add up as in Cameron, Gelbach and Miller (Journal of Business
    and Economic Statistics 29, 2011). Where every row has the same hit each cluster counts as one row. Simulated on
    20 to 200 clusters it covers the truth 90 to 99 % of the time; the lower end, which a red signal needs, lies above
    shares of up to a half no more often than it may.
    """
    rows, mean = len(hits), float(hits.mean())
    fewest = min(len(np.unique(clusters)) for clusters in clusterings)
    if fewest < 2:
        return mean, 0.0, 1.0
    variance = _variance_of_mean(hits - mean, clusterings)
    spread = mean * (1 - mean)
    effective = min(float(rows), spread / variance) if variance > 0 and spread > 0 else float(fewest)
    tail = (1 - CONFIDENCE) / 2
    if rows > 2:  # few clusters estimate the variance itself poorly
        effective *= float(stats.t.ppf(tail, rows - 1) / stats.t.ppf(tail, fewest - 1)) ** 2
    some, none = mean * effective, (1 - mean) * effective
    low = float(stats.beta.ppf(tail, some, none + 1)) if some > 0 else 0.0
    high = float(stats.beta.ppf(1 - tail, some + 1, none)) if none > 0 else 1.0
    return mean, low, high


def drawn_variance(values: Share, recordings: NDArray[np.str_]) -> tuple[float, int]:
    """The variance of the mean of `values` `[N]` by which recordings were drawn, and how many these are.

    Cluster-robust; 0 where fewer than two recordings leave it unknown.
    """
    count = len(np.unique(recordings))
    return (_variance_of_mean(values - values.mean(), [recordings]) if count > 1 else 0.0), count


def _variance_of_mean(residuals: Share, clusterings: Sequence[NDArray[np.str_]]) -> float:
    """Of one clustering its cluster-robust variance; of two, both less that of their cells, and no less than either."""
    codes = [np.unique(clusters, return_inverse=True)[1] for clusters in clusterings]
    single = [_one_way(residuals, one) for one in codes]
    if len(codes) == 1:
        return single[0]
    first, second = codes
    cells = np.unique(first * (second.max() + 1) + second, return_inverse=True)[1]
    return max(*single, sum(single) - _one_way(residuals, cells))


def _one_way(residuals: Share, codes: NDArray[np.int64]) -> float:
    totals = np.bincount(codes, weights=residuals)
    clusters = len(totals)
    return float(clusters / (clusters - 1) * (totals**2).sum() / len(residuals) ** 2)
