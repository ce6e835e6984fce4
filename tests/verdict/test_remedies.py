"""What the remedies buy, and how sure that is."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from rfcx_lab.verdict import LadderVerdict, RungInfo, judge_ladder
from rfcx_lab.verdict.intervals import holm, mean_p_value
from rfcx_lab.verdict.sentence import _tell_remedy
from tests.verdict import synthetic
from tests.verdict.synthetic import Truth

STACK = Truth(rise=0.6, onset=12)


def with_remedies(*remedies: Truth, repeats: int = 6) -> LadderVerdict:
    curves = {"stack": synthetic.fits(STACK, repeats=repeats, rung=0)}
    order = [RungInfo("stack", "capacity", 9)]
    for i, truth in enumerate(remedies):
        curves[f"remedy {i}"] = synthetic.fits(truth, repeats=repeats, rung=i + 1)
        order.append(RungInfo(f"remedy {i}", "remedy", 9))
    return judge_ladder(curves, order=order, validation_fraction=0.25)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, None, 0.03]) == pytest.approx([0.03, 0.06, None, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]


def test_p_value_is_that_of_the_corrected_t_test() -> None:
    values = [0.2, 0.5, 0.3, 0.1, 0.4, 0.6]
    naive = stats.ttest_1samp(values, 0)
    wider = math.sqrt((1 / 6 + 0.25 / 0.75) / (1 / 6))
    assert mean_p_value(values, validation_fraction=0.25) == pytest.approx(2 * stats.t.sf(naive.statistic / wider, 5))
    assert mean_p_value([3.0] * 6, validation_fraction=0.25, least_variance=1 / 6) == pytest.approx(
        2 * stats.t.sf(3 / math.sqrt((1 / 6) * 0.5), 5)
    )
    assert mean_p_value([0.0, 0.0], validation_fraction=0.25) == 1
    assert mean_p_value([1.0], validation_fraction=0.25) is None


def test_p_value_keeps_its_level_with_overlapping_training_sets() -> None:
    rng = np.random.default_rng(1)
    below = [
        mean_p_value(0.5 * rng.normal() + math.sqrt(0.75) * rng.normal(size=6), validation_fraction=0.25) < 0.05  # type: ignore[operator,arg-type]
        for _ in range(2000)
    ]
    assert 0.035 <= np.mean(below) <= 0.065


def test_later_onset_and_lower_loss_are_shown_at_six_repeats() -> None:
    verdict = with_remedies(Truth(rise=0.2, onset=25), STACK)
    gain, none = verdict.remedies
    assert gain.onset_shift is not None and gain.onset_shift[0] == pytest.approx(13, abs=4)
    assert gain.onset_shift_p is not None and gain.onset_shift_p < 0.05
    assert gain.final_loss_p is not None and gain.final_loss_p < 0.05
    assert none.onset_shift_p is not None and none.onset_shift_p > 0.05
    assert none.final_loss_p is not None and none.final_loss_p > 0.05
    assert "remedy 0 against stack: onset +1" in verdict.answer
    assert "t test" in gain.test and "Holm" in gain.test


def test_remedies_are_one_family() -> None:
    alone = with_remedies(Truth(rise=0.55, onset=15)).remedies[0]
    beside = with_remedies(Truth(rise=0.55, onset=15), STACK, STACK).remedies[0]
    assert alone.onset_shift_p is not None and beside.onset_shift_p is not None
    assert beside.onset_shift_p > 1.5 * alone.onset_shift_p


def test_onset_beyond_the_budget_counts_as_its_last_epoch() -> None:
    effect = with_remedies(Truth()).remedies[0]
    assert effect.onset_shift is None  # the median lies beyond
    assert effect.onset_shift_p is not None and effect.onset_shift_p < 0.001


def test_what_never_learns_has_gained_no_epochs() -> None:
    never = Truth(start=3.2, lowest=3.2, rise=0.5, onset=2, scale=0.005)
    effect = with_remedies(never).remedies[0]
    assert (effect.onset_shift, effect.onset_shift_p) == (None, None)


def test_two_repeats_give_no_p_value() -> None:
    effect = with_remedies(Truth(rise=0.2, onset=25), repeats=2).remedies[0]
    assert (effect.onset_shift_p, effect.final_loss_p) == (None, None)


@pytest.mark.parametrize(("shift", "said"), [((4.0, 2.0, 6.0), "onset +4 epochs (p = 0.02), "), (None, "")])
def test_a_shift_of_the_onset_that_is_not_known_is_left_out_of_the_sentence(shift, said):
    effect = SimpleNamespace(
        name="+ Dropout",
        against="LSTM",
        onset_shift=shift,
        onset_shift_p=0.02,
        final_loss_ratio=(0.9, 0.8, 1.0),
        final_loss_p=0.5,
    )
    assert _tell_remedy(effect) == f"+ Dropout against LSTM: {said}final loss -10 % (p = 0.5)."
