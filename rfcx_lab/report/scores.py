"""How the recommended rung does on the test part, species by species, over all its repeats."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_QUANTILE = 1.959963984540054  # of the normal distribution: 95 %, two-sided


@dataclass(frozen=True)
class SpeciesScore:
    """One species on the test part. Precision, recall and F1 are means over fits; None where nothing was predicted."""

    label: int
    rows: int
    precision: float | None
    recall: float
    recall_interval: tuple[float, float]  # 95 %, for so few rows (Wilson 1927)
    f1: float


@dataclass(frozen=True)
class Confusion:
    """How often, over fits, rows of one species were taken for another: `share` of its rows."""

    true: int
    predicted: int
    share: float


@dataclass(frozen=True)
class Mistake:
    """A row that the fits get wrong: the probability they give its own species and the one they prefer, on average."""

    place: int  # among the test rows
    predicted: int
    fits_wrong: int
    own: float
    preferred: float


@dataclass(frozen=True, eq=False)
class Scores:
    """All species, and who is taken for whom: `matrix[i, j]` is the share of rows of i that are taken for j."""

    species: tuple[SpeciesScore, ...]
    matrix: NDArray[np.float64]  # [classes, classes]; a species without test row has a row of zeros
    fits: int


def score_species(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> Scores:
    """Scores from `probabilities` `[fits, N, classes]` for rows whose true classes are `labels` `[N]`."""
    fits, _, classes = probabilities.shape
    predicted = probabilities.argmax(axis=2)
    counts = np.zeros((fits, classes, classes))
    for fit in range(fits):
        np.add.at(counts[fit], (labels, predicted[fit]), 1)
    hits, rows = np.diagonal(counts, axis1=1, axis2=2), counts.sum(axis=2)
    taken = counts.sum(axis=1)
    recall, precision = _ratio(hits, rows), _ratio(hits, taken)
    f1 = _ratio(2 * hits, rows + taken)
    species = tuple(
        SpeciesScore(
            label=i,
            rows=int(rows[0, i]),
            precision=float(np.nanmean(precision[:, i])) if taken[:, i].any() else None,
            recall=float(recall[:, i].mean()),
            recall_interval=wilson(float(recall[:, i].mean()), int(rows[0, i])),
            f1=float(f1[:, i].mean()),
        )
        for i in range(classes)
        if rows[0, i]
    )
    return Scores(species, np.nan_to_num(_ratio(counts.mean(axis=0), rows[0][:, None])), fits)


def confusions(scores: Scores, *, most: int) -> list[Confusion]:
    """The most frequent confusions, worst first."""
    wrong = scores.matrix - np.diag(np.diag(scores.matrix))
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = [divmod(int(i), len(wrong)) for i in order]
    return [Confusion(i, j, float(wrong[i, j])) for i, j in pairs if wrong[i, j] > 0]


def worst_mistakes(probabilities: NDArray[np.float32], labels: NDArray[np.int64], *, most: int) -> list[Mistake]:
    """Rows that most fits get wrong, the surest mistake first."""
    mean = probabilities.mean(axis=0)
    own = mean[np.arange(len(labels)), labels]
    wrong = (probabilities.argmax(axis=2) != labels).sum(axis=0)
    mistaken = np.flatnonzero((mean.argmax(axis=1) != labels) & (2 * wrong > len(probabilities)))
    order = mistaken[np.argsort(own[mistaken] - mean[mistaken].max(axis=1), kind="stable")][:most]
    return [
        Mistake(int(row), int(mean[row].argmax()), int(wrong[row]), float(own[row]), float(mean[row].max()))
        for row in order
    ]


def wilson(share: float, rows: int) -> tuple[float, float]:
    """A 95 % interval for a share of `rows` rows (Wilson 1927)."""
    if not rows:
        return 0.0, 1.0
    z2 = _QUANTILE**2
    centre = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    half = _QUANTILE / (1 + z2 / rows) * math.sqrt(share * (1 - share) / rows + z2 / (4 * rows**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, np.nan), where=whole > 0)
