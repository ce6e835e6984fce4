"""Where fits that are under way stand, as a worker marks it and the driver's progress shows it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from rfcx_lab.engine.under_way import Board, Mark, Marker, read_mark, remove_mark
from rfcx_lab.lab.study import prepare_study
from rfcx_lab.model.fit import Epoch


def epoch(train: float, val: float) -> Epoch:
    return Epoch(train, val, 0.5, 0.5)


def test_a_mark_is_the_last_epoch_and_the_lowest_loss_so_far(tmp_path):
    marker = Marker(tmp_path, "key")
    assert read_mark(tmp_path, "key") is None
    for number, (train, val) in enumerate([(3.0, 3.0), (2.0, 2.25), (1.0, 2.5)], start=1):
        marker(number, epoch(train, val))
    assert read_mark(tmp_path, "key") == Mark(3, 1.0, 2.5, 2, 2.25)
    remove_mark(tmp_path, "key")
    assert list(tmp_path.iterdir()) == []


def test_a_fit_that_begins_anew_takes_a_killed_one_s_mark_away(tmp_path):
    Marker(tmp_path, "key")(9, epoch(1.0, 1.0))
    Marker(tmp_path, "key")
    assert read_mark(tmp_path, "key") is None


def test_a_loss_that_is_not_finite_is_marked_too(tmp_path):
    Marker(tmp_path, "key")(1, epoch(math.nan, math.nan))
    mark = read_mark(tmp_path, "key")
    assert mark is not None and math.isnan(mark.val_loss) and mark.best_epoch == 0


@pytest.mark.parametrize("torn", ["", "3 1.0", "3 1.0 2.5 2 2.2", "3 1.0 2.5 2 x\n"])
def test_a_half_written_mark_is_none(tmp_path, torn):
    Marker(tmp_path, "key")(3, epoch(1.0, 2.5))
    [path] = tmp_path.iterdir()
    path.write_text(torn)
    assert read_mark(tmp_path, "key") is None


def test_a_place_that_can_not_be_written_costs_the_fit_nothing(tmp_path):
    elsewhere = tmp_path / "not" / "here"
    Marker(elsewhere, "key")(1, epoch(1.0, 1.0))
    assert not elsewhere.exists()


def test_the_board_counts_fits_and_weighs_their_work(planted):
    study = prepare_study(planted({}, "ladder.repeats=2"))
    store: Path = study.store
    small, _, large = study.fits[:3]
    board = Board(store, [small, large], done=1)
    assert (board.look().count, board.look().share, board.look().under_way) == ("1 of 3", 0.0, [])
    Marker(store, small.key)(9, epoch(1.0, 1.0))  # of a try that was killed
    board.begin(small)
    [row] = board.look().under_way
    assert row[:2] == ("LSTM 8 · 0", "starting")
    Marker(store, small.key)(6, epoch(1.5, 2.0))
    half = board.look()
    assert half.under_way == [("LSTM 8 · 0", "epoch 6 of 12", "val loss 2.000", "train 1.500", "lowest 2.000 at 6")]
    assert 0 < half.share < 0.5
    board.end(small)
    board.begin(large)
    after = board.look()
    assert (after.count, after.share) == ("2 of 3", pytest.approx(2 * half.share))
    assert after.share < 0.5  # the larger one is more than half of the work
    assert read_mark(store, small.key) is None
    Marker(store, large.key)(12, epoch(1.0, 1.0))
    assert board.look().share == pytest.approx(1.0)
    board.close()
    assert board.look().under_way == [] and not list(store.glob(".*.mark"))
