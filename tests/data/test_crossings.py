from __future__ import annotations

import numpy as np
import pytest

from rfcx_lab.data.crossings import Crossing, find_crossings
from rfcx_lab.data.splits import Split

SPLIT = Split(3, train=np.array([0, 1, 2]), validation=np.array([3, 4]), test=np.array([5, 6]))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("abcdefg", []),
        ("aabcdef", []),  # a twin on its own side
        ("abcadef", [Crossing(3, 3, "validation", 0, "training")]),
        ("abcdefb", [Crossing(3, 6, "test", 1, "training")]),
        ("abcdexe", [Crossing(3, 4, "validation", 6, "test"), Crossing(3, 6, "test", 4, "validation")]),
        ("aacdaef", [Crossing(3, 4, "validation", 0, "training")]),  # the first of two, and training before test
    ],
)
def test_both_sides_are_named(values, expected):
    assert find_crossings(np.array(list(values)), [SPLIT]) == expected


def test_rows_without_a_value_share_nothing():
    assert find_crossings(np.array([""] * 7), [SPLIT]) == []


def test_every_repeat_is_looked_at():
    other = Split(4, train=np.array([3, 4, 2]), validation=np.array([0, 1]), test=np.array([5, 6]))
    found = find_crossings(np.array(list("abbdefg")), [SPLIT, other])
    assert found == [Crossing(4, 1, "validation", 2, "training")]
