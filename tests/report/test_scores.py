from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from rfcx_lab.report.scores import confusions, score_species, wilson, worst_mistakes

CLASSES, ROWS, FITS = 4, 60, 3


@pytest.fixture
def made() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(CLASSES, size=ROWS)
    odds = rng.gamma(1.0, size=(FITS, ROWS, CLASSES)) + 0.8 * np.eye(CLASSES)[labels]
    return (odds / odds.sum(axis=2, keepdims=True)).astype(np.float32), labels


def test_scores_are_the_means_of_scikit_learn_s(made):
    probabilities, labels = made
    scores = score_species(probabilities, labels)
    own = [precision_recall_fscore_support(labels, fit.argmax(axis=1)) for fit in probabilities]
    precision, recall, f1 = np.mean([values[:3] for values in own], axis=0)
    assert [one.precision for one in scores.species] == pytest.approx(precision)
    assert [one.recall for one in scores.species] == pytest.approx(recall)
    assert [one.f1 for one in scores.species] == pytest.approx(f1)
    assert [one.rows for one in scores.species] == list(np.bincount(labels))
    matrices = [confusion_matrix(labels, fit.argmax(axis=1), normalize="true") for fit in probabilities]
    assert scores.matrix == pytest.approx(np.mean(matrices, axis=0))


def test_a_species_nobody_predicts_has_no_precision():
    probabilities = np.tile(np.float32([0.6, 0.4]), (1, 4, 1))
    first, second = score_species(probabilities, np.array([0, 0, 1, 1])).species
    assert (first.recall, first.precision) == (1.0, 0.5)
    assert (second.recall, second.precision, second.f1) == (0.0, None, 0.0)


def test_a_species_without_test_row_is_left_out():
    scores = score_species(np.tile(np.float32([0.2, 0.5, 0.3]), (2, 3, 1)), np.array([1, 1, 2]))
    assert [one.label for one in scores.species] == [1, 2]
    assert not scores.matrix[0].any()


def test_confusions_are_the_largest_shares_off_the_diagonal(made):
    scores = score_species(*made)
    found = confusions(scores, most=3)
    shares = sorted((scores.matrix - np.diag(np.diag(scores.matrix))).ravel(), reverse=True)
    assert [pair.share for pair in found] == pytest.approx(shares[:3])
    assert all(pair.true != pair.predicted for pair in found)


def test_worst_mistakes_are_wrong_and_the_surest_first(made):
    probabilities, labels = made
    found = worst_mistakes(probabilities, labels, most=100)
    mean = probabilities.mean(axis=0)
    assert found
    for mistake in found:
        assert mistake.predicted == mean[mistake.place].argmax() != labels[mistake.place]
        assert mistake.fits_wrong > FITS / 2
    margins = [mistake.preferred - mistake.own for mistake in found]
    assert margins == sorted(margins, reverse=True)
    assert len(worst_mistakes(probabilities, labels, most=2)) == 2


def test_no_mistakes_where_all_is_right():
    labels = np.arange(3)
    assert not worst_mistakes(np.eye(3, dtype=np.float32)[None], labels, most=5)


@pytest.mark.parametrize(("hits", "rows"), [(0, 7), (3, 7), (7, 7), (40, 41)])
def test_interval_is_wilson_s(hits, rows):
    expected = binomtest(hits, rows).proportion_ci(0.95, method="wilson")
    assert wilson(hits / rows, rows) == pytest.approx((expected.low, expected.high), abs=1e-9)
