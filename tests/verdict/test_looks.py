from __future__ import annotations

import math

import pytest

from rfcx_lab.errors import LabError
from rfcx_lab.verdict.looks import ALPHA, Look, plan_looks


def test_three_looks_share_the_level():
    assert plan_looks(4, 12) == (Look(4, 0.010), Look(8, 0.015), Look(12, 0.025))


@pytest.mark.parametrize(
    ("span", "repeats"),
    [((6, 6), [6]), ((1, 1), [1]), ((4, 5), [4, 5]), ((4, 6), [4, 5, 6]), ((4, 7), [4, 5, 7]), ((3, 99), [3, 51, 99])],
)
def test_looks_rise_from_the_least_to_the_most(span, repeats):
    assert [look.repeats for look in plan_looks(*span)] == repeats


@pytest.mark.parametrize("span", [(6, 6), (4, 5), (4, 12)])
def test_the_level_is_spent_whole_and_rises(span):
    alphas = [look.alpha for look in plan_looks(*span)]
    assert math.isclose(sum(alphas), ALPHA)
    assert sorted(set(alphas)) == alphas


@pytest.mark.parametrize(
    ("span", "why"),
    [((0, 4), "must be 1 or more"), ((8, 4), "must not be fewer"), ((2, 12), "fewer than 3 establishes nothing")],
)
def test_an_impossible_plan_is_said(span, why):
    with pytest.raises(LabError, match=why):
        plan_looks(*span)
