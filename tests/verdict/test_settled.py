from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from rfcx_lab.errors import LabError
from rfcx_lab.verdict import Curves, OnsetConfig, RungInfo, find_onset
from rfcx_lab.verdict.config import JudgeConfig, SettledConfig
from rfcx_lab.verdict.crossfit import rises_to_the_end
from rfcx_lab.verdict.rungs import judge_rung
from rfcx_lab.verdict.settled import SettledRule, settled_epoch
from tests.verdict.synthetic import Truth

RULE = SettledRule(margin=0.05, config=SettledConfig(after=5, clearance=0.05), onset=OnsetConfig())
STEEP = Truth(epochs=50, rise=0.6, onset=8)
INFO = RungInfo("one", "capacity", 100)


def changed(**changes) -> SettledRule:
    return replace(RULE, config=replace(RULE.config, **changes))


def whole(truth: Truth, seed: int) -> Curves:
    train, val = truth.curves(seed)
    return Curves(train, val, None, None, repeat=seed)


def ended(curves: Curves, rule: SettledRule = RULE) -> Curves:
    epoch = settled_epoch(curves.train_loss, curves.val_loss, rule=rule)
    if epoch is None:
        return curves
    return replace(curves, train_loss=curves.train_loss[:epoch], val_loss=curves.val_loss[:epoch], settled=True)


@pytest.mark.parametrize("seed", range(4))
def test_settled_some_epochs_after_the_alarm_and_with_the_rise_clear_of_the_margin(seed):
    curves = whole(STEEP, seed)
    epoch = settled_epoch(curves.train_loss, curves.val_loss, rule=RULE)
    verdict = find_onset(curves.train_loss, curves.val_loss)
    assert verdict.status == "overfit"
    assert verdict.first_alarm + 5 <= epoch < 35
    cut = ended(curves)
    assert find_onset(cut.train_loss, cut.val_loss).status == "overfit"
    assert min(cut.val_loss) == min(curves.val_loss)
    lowest = min(np.convolve(cut.val_loss, np.ones(3) / 3, mode="valid"))
    assert np.mean(cut.val_loss[-3:]) / lowest > 1.08  # 1.05 * 1.05, but for how it is smoothed


@pytest.mark.parametrize("seed", range(4))
def test_a_later_margin_and_a_wider_clearance_end_later(seed):
    curves = whole(STEEP, seed)
    epochs = [
        settled_epoch(curves.train_loss, curves.val_loss, rule=rule)
        for rule in (changed(after=0, clearance=0.0), RULE, changed(after=9), changed(clearance=0.3))
    ]
    assert epochs[0] < epochs[1] < epochs[2] < 50
    assert epochs[1] < epochs[3] < 50


@pytest.mark.parametrize("seed", range(4))
def test_settled_at_an_epoch_hangs_on_the_epochs_up_to_it_alone(seed):
    curves = whole(STEEP, seed)
    epoch = settled_epoch(curves.train_loss, curves.val_loss, rule=RULE)
    rng = np.random.default_rng(seed)
    for _ in range(5):
        train, val = (np.array(series) for series in (curves.train_loss, curves.val_loss))
        train[epoch:], val[epoch:] = rng.uniform(0.1, 9, (2, 50 - epoch))
        assert settled_epoch(train, val, rule=RULE) == epoch
    before = slice(None, epoch - 1)
    assert settled_epoch(curves.train_loss[before], curves.val_loss[before], rule=RULE, budget=50) is None
    upto = slice(None, epoch)
    assert settled_epoch(curves.train_loss[upto], curves.val_loss[upto], rule=RULE, budget=50) == epoch


@pytest.mark.parametrize(
    "truth",
    [
        Truth(rise=0.0),  # a plateau
        Truth(rise=0.05, onset=10),  # at the margin
        Truth(rise=0.09, onset=10),  # beyond the margin, by less than the clearance
        Truth(rise=0.0, onset=80),  # still improving
    ],
    ids=["plateau", "at the margin", "near the margin", "improving"],
)
def test_what_is_not_settled_goes_through_all_its_epochs(truth):
    for seed in range(20):
        train, val = truth.curves(seed)
        assert settled_epoch(train, val, rule=RULE) is None


def test_the_last_epoch_is_no_early_end():
    curves = whole(STEEP, 0)
    epoch = settled_epoch(curves.train_loss, curves.val_loss, rule=RULE)
    upto = slice(None, epoch)
    assert settled_epoch(curves.train_loss[upto], curves.val_loss[upto], rule=RULE, budget=epoch) is None


def double_descent(height: float, *, epochs: int = 120, lasts: int) -> tuple[list[float], list[float]]:
    """Down until epoch 20, up by a share `height` of the loss and, `lasts` epochs later, below the first minimum."""
    epoch = np.arange(1, epochs + 1)
    corners = [1, 20, 26, 26 + lasts, 32 + lasts, epochs]
    val = np.interp(epoch, corners, [3.2, 2.4, 2.4 * (1 + height), 2.4 * (1 + height), 2.3, 2.0])
    noise = np.random.default_rng(0).normal(0, 0.005, (2, epochs))
    return list(3 * np.exp(-epoch / 30) + noise[0]), list(val + noise[1])


def test_a_double_descent_that_comes_back_within_the_margin_of_epochs_is_not_settled():
    train, val = double_descent(0.3, lasts=6)
    verdict = find_onset(train, val)
    assert verdict.first_alarm is not None  # it was overfit for a while
    assert verdict.status != "overfit"
    assert settled_epoch(train, val, rule=changed(after=0)) is not None
    assert settled_epoch(train, val, rule=changed(after=15)) is None
    assert settled_epoch(train, val, rule=changed(clearance=0.4)) is None


def test_a_double_descent_that_rests_for_long_is_taken_for_settled_which_no_causal_rule_can_know():
    train, val = double_descent(0.3, lasts=40)
    epoch = settled_epoch(train, val, rule=RULE)
    assert epoch is not None
    assert find_onset(train[:epoch], val[:epoch]).status == "overfit"
    assert find_onset(train, val).status != "overfit"


def test_losses_that_are_not_above_zero_or_not_finite_never_settle():
    train, val = STEEP.curves(0)
    assert settled_epoch(train, val - 3, rule=RULE) is None
    broken = val.copy()
    broken[9] = math.nan
    assert settled_epoch(train, broken, rule=RULE) is None


def test_values_out_of_range_are_said():
    with pytest.raises(LabError, match=r"^sweep\.settled\.after must not be negative, as -1 is\.$"):
        SettledConfig(after=-1)
    with pytest.raises(LabError, match=r"^sweep\.settled\.clearance must not be negative, as -0\.1 is\.$"):
        SettledConfig(clearance=-0.1)
    with pytest.raises(LabError, match=r'onset\.mode must be "min"'):
        SettledRule(margin=0.05, config=SettledConfig(), onset=OnsetConfig(mode="max"))


def test_repeats_that_ended_at_different_epochs_are_on_equal_footing():
    """One goes through all its epochs, the others end early, each at another: no margin changes its side."""
    truths = [STEEP, replace(STEEP, onset=14), Truth(epochs=50, rise=0.12, onset=10)]
    curves = [whole(truth, seed) for seed, truth in enumerate(truths)]
    cut = [*map(ended, curves[:2]), curves[2]]
    assert len({each.epochs for each in cut}) == 3
    full, early = (judge_rung(some, INFO, index=0, epochs=50, config=JudgeConfig()) for some in (curves, cut))
    assert early.statuses == full.statuses == {"overfit": 3}
    assert early.best_losses() == full.best_losses()
    assert {len(fit.level) for fit in early.fits.values()} == {50}
    for repeat, epochs in enumerate(each.epochs for each in cut):
        own, other = (judged.fits[repeat].level for judged in (early, full))
        assert own[: epochs - 3] == pytest.approx(other[: epochs - 3], rel=1e-12)  # smoothed alike
        assert (np.diff(own[epochs - 1 :]) > 0).all() or epochs == 50  # its rise goes on, slower and slower
        assert (np.diff(own[epochs - 1 :], n=2) < 0).all() or epochs == 50
    rises = [rises_to_the_end([fit.level for fit in judged.fits.values()]) for judged in (full, early)]
    for whole_rise, early_rise in zip(*rises, strict=True):
        assert math.log(1.05) < early_rise < whole_rise + 0.05
    assert np.mean(rises[1]) == pytest.approx(np.mean(rises[0]), rel=0.5)


def test_a_short_curve_that_is_not_settled_is_left_out_as_ever():
    curves = [ended(whole(STEEP, seed)) for seed in range(3)]
    curves[1] = replace(curves[1], settled=False)
    judged = judge_rung(curves, INFO, index=0, epochs=50, config=JudgeConfig())
    assert list(judged.fits) == [0, 2]
    assert judged.statuses == {"undetermined": 1, "overfit": 2}


def test_settled_curves_say_so_after_a_round_trip():
    curves = ended(whole(STEEP, 0))
    assert Curves.from_dict(curves.to_dict()) == curves
    older = {key: value for key, value in curves.to_dict().items() if key != "settled"}
    assert Curves.from_dict(older) == replace(curves, settled=False)


@pytest.mark.parametrize("onset", [6, 12])
def test_a_projected_rise_is_nearer_to_the_whole_one_than_what_was_seen(onset):
    epoch = np.arange(1, 51)
    rise = 0.4 * (np.clip(epoch - onset, 0, None) / (50 - onset)) ** 0.7  # as on record
    noise = np.random.default_rng(onset).normal(0, 0.01, 50)
    val = 2.4 * np.exp(0.4 * np.clip((onset - epoch) / onset, 0, None) ** 2 + rise + noise)
    full = Curves(3 * np.exp(-epoch / 20), val, None, None, repeat=0)
    cut = ended(full)
    assert cut.epochs < 35
    levels = [
        judge_rung([curves], INFO, index=0, epochs=50, config=JudgeConfig()).fits[0].level for curves in (full, cut)
    ]
    whole_rise, projected = (math.log(level[-1] / level.min()) for level in levels)
    seen = math.log(levels[1][cut.epochs - 1] / levels[1].min())
    assert seen < projected < whole_rise + 0.02
    assert whole_rise - projected < 0.6 * (whole_rise - seen)
