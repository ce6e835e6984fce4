"""Shares of the margin's variance, on margins of known make."""

from __future__ import annotations

import numpy as np
import pytest

from rfcx_lab.verdict.importance import share_variation
from rfcx_lab.verdict.level_set import Grid, Posterior

GRID = Grid.regular(4, 6)
ROWS, COLUMNS = np.repeat(np.arange(4), 6), np.tile(np.arange(6), 4)
LEVELS = {"rows": ROWS.tolist(), "columns": COLUMNS.tolist()}


def posterior(mean: np.ndarray, *, sd: float = 1e-6) -> Posterior:
    return Posterior(mean, sd**2 * np.eye(24), (mean > 0).astype(float), 0.1)


def test_what_is_known_of_a_sum_is_split_as_its_variances() -> None:
    shares = share_variation(posterior(1.0 * ROWS + 2.0 * COLUMNS), LEVELS)
    rows, columns = np.var(ROWS), 4 * np.var(COLUMNS)
    assert shares["rows"] == pytest.approx((rows / (rows + columns),) * 3, abs=1e-3)
    assert shares["columns"] == pytest.approx((columns / (rows + columns),) * 3, abs=1e-3)


def test_an_interplay_belongs_to_no_axis_alone() -> None:
    shares = share_variation(posterior((ROWS - ROWS.mean()) * (COLUMNS - COLUMNS.mean())), LEVELS)
    assert max(shares["rows"][0], shares["columns"][0]) < 1e-6


def test_what_is_not_known_widens_the_interval() -> None:
    mean = 1.0 * ROWS + 2.0 * COLUMNS
    sure, unsure = (share_variation(posterior(mean, sd=sd), LEVELS)["columns"] for sd in (0.1, 3.0))
    assert sure[2] - sure[1] < 0.05 < 0.2 < unsure[2] - unsure[1]
    assert unsure[1] < unsure[0] < unsure[2]
    assert share_variation(posterior(mean, sd=3.0), LEVELS)["columns"] == unsure


def test_an_axis_explains_nothing_where_it_does_not_exist_nor_a_cell_that_is_left_out() -> None:
    mean = np.where(ROWS == 0, 0.0, 1.0 * COLUMNS)
    partly = [int(c) if r else None for r, c in zip(ROWS, COLUMNS, strict=True)]
    shares = share_variation(posterior(mean), {"columns": partly})
    inside = mean[ROWS > 0]
    expected = np.sum((inside - inside.mean()) ** 2) / np.sum((mean - mean.mean()) ** 2)
    assert shares["columns"][0] == pytest.approx(expected, abs=1e-3)
    wild = mean.copy()
    wild[7] = 1000.0
    assert share_variation(posterior(wild), {"columns": partly}, left_out=[7])["columns"][0] > 0.5
    assert share_variation(posterior(wild), {"columns": [None] * 24})["columns"] == (0.0, 0.0, 0.0)


def test_an_axis_that_is_alone_explains_all_and_never_more() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        shares = share_variation(posterior(rng.normal(size=24), sd=0.5), {"cells": list(range(24))})
        assert shares["cells"] == pytest.approx((1.0,) * 3)
        assert max(shares["cells"]) <= 1
