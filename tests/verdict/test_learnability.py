"""How probable it is that an architecture learns, from those that did and did not."""

from __future__ import annotations

import numpy as np
import pytest

from rfcx_lab.verdict.learnability import probability_to_learn
from rfcx_lab.verdict.level_set import Grid

GRID = Grid.regular(5, 8)


def test_all_are_expected_to_learn_until_one_has_not() -> None:
    np.testing.assert_array_equal(probability_to_learn(GRID, learnt=[3, 20], not_learnt=[]), np.ones(40))
    assert probability_to_learn(GRID, learnt=[], not_learnt=[0])[39] > 0.75


def test_the_nearer_to_what_has_not_the_less_is_hoped_for() -> None:
    hopes = probability_to_learn(GRID, learnt=[], not_learnt=[0])
    distances = np.linalg.norm(GRID.points - GRID.points[0], axis=1)
    assert hopes[0] < 0.05
    assert (np.diff(hopes[np.argsort(distances)]) > -1e-9).all()


def test_neighbours_that_learnt_speak_against_it() -> None:
    alone = probability_to_learn(GRID, learnt=[], not_learnt=[0])
    beside = probability_to_learn(GRID, learnt=[2, 8], not_learnt=[0])
    assert (beside[[1, 2, 8, 9]] > alone[[1, 2, 8, 9]] + 0.1).all()
    assert beside[0] < 0.3 < 0.85 < beside[2]
    assert probability_to_learn(GRID, learnt=[0], not_learnt=[0])[0] == pytest.approx(
        probability_to_learn(GRID, learnt=[0], not_learnt=[0, 0])[0]
    )
