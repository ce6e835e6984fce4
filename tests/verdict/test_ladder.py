"""`judge_ladder` on ladders of known truth."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import jsonschema
import numpy as np
import pytest

from rfcx_lab.errors import LabError
from rfcx_lab.verdict import Curves, JudgeConfig, LadderVerdict, OnsetConfig, RungInfo, judge_ladder
from rfcx_lab.verdict.crossfit import excess_over_best_lower, rises_to_the_end
from tests.verdict import synthetic
from tests.verdict.synthetic import Truth, ladder

FLAT, RISING = Truth(), Truth(rise=0.3)


def validate(verdict: LadderVerdict) -> dict[str, Any]:
    data = {"root": "d", "fingerprint": "f", "rows": 9, "recordings": 3, "classes": 2, "rejected": 0}
    document = {
        "schema": "rfcx_lab/verdict/1",
        **verdict.to_dict(),
        "audit": None,
        "data": data,
        "test": None,
        "versions": {"numpy": np.__version__},
    }
    schema = json.loads((files("rfcx_lab.verdict") / "schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema, cls=jsonschema.Draft202012Validator)
    json.dumps(document, allow_nan=False)
    return document


@pytest.mark.parametrize("first", [1, 2, 3])
def test_known_rung_is_found(first: int) -> None:
    verdict = ladder([FLAT] * first + [RISING] * (4 - first))
    point = verdict.begins_to_overfit.trained_to_the_end
    assert (point.rung, point.index, point.bound, point.established) == (f"rung {first}", first, "exact", True)
    assert point.epoch is not None
    middle, low, high = point.epoch
    assert low is not None and high is not None and low <= middle <= high
    assert abs(middle - RISING.onset) <= 4
    for part in (f"rung {first}", f"epoch {middle:g}", f"{low:g} to {high:g}", "50 epochs", "6 repeats", "established"):
        assert part in verdict.answer
    validate(verdict)


def test_ladder_that_never_overfits() -> None:
    verdict = ladder([FLAT, FLAT, FLAT])
    point = verdict.begins_to_overfit.trained_to_the_end
    assert (point.rung, point.bound, point.epoch, point.established) == ("rung 2", "above", None, True)
    assert "does not overfit on any rung" in verdict.answer
    validate(verdict)


def test_ladder_whose_lowest_rung_overfits() -> None:
    verdict = ladder([RISING, RISING, Truth(rise=0.6)])
    point = verdict.begins_to_overfit.trained_to_the_end
    assert (point.rung, point.bound, point.established) == ("rung 0", "at_or_below", True)
    assert "smaller rungs must be added" in point.reason
    assert "at or below" in verdict.answer
    validate(verdict)


def test_open_rung_below_leaves_it_unestablished() -> None:
    verdict = ladder([FLAT, Truth(rise=0.06, scale=0.03), Truth(rise=0.6)])
    point = verdict.begins_to_overfit.trained_to_the_end
    assert (point.rung, point.bound, point.established) == ("rung 2", "at_or_below", False)
    assert "Open: rung 1" in point.reason and ("repeats" in point.reason or "recordings" in point.reason)
    assert "not established" in verdict.answer


def test_rungs_that_contradict_each_other_establish_nothing() -> None:
    verdict = ladder([RISING, FLAT, RISING])
    point = verdict.begins_to_overfit.trained_to_the_end
    assert (point.rung, point.bound, point.between, point.established) == (None, "none", None, False)
    assert "rung 0 overfits" in point.reason and "rung 1, above it, does not" in point.reason
    assert "no single point" in verdict.answer
    validate(verdict)


@pytest.mark.parametrize("repeats", [1, 2])
def test_few_repeats_establish_nothing(repeats: int) -> None:
    verdict = ladder([FLAT, RISING], repeats=repeats)
    for point in (verdict.begins_to_overfit.trained_to_the_end, verdict.begins_to_overfit.at_best_checkpoint):
        assert not point.established
        assert "repeats" in point.reason
    assert "not established" in verdict.answer
    validate(verdict)


def test_noise_is_seldom_called_overfitting() -> None:
    """A rise measured over a curve's own minimum would call every one of these ladders overfit."""
    truth = Truth(scale=0.05)
    wrong = 0
    for seed in range(10):
        curves = {"only": synthetic.fits(truth, repeats=6, rung=seed)}
        order = [RungInfo("only", "capacity", 1)]
        verdict = judge_ladder(curves, order=order, validation_fraction=0.25, config=JudgeConfig(margin=0.0))
        point = verdict.begins_to_overfit.trained_to_the_end
        wrong += point.established and point.bound == "at_or_below"
    assert wrong <= 1


def test_best_checkpoint_has_its_own_answer() -> None:
    lowest = [2.7, 2.4, 2.7, 2.9]
    verdict = ladder([Truth(rise=0.3, lowest=value, scale=0.005) for value in lowest])
    assert verdict.begins_to_overfit.trained_to_the_end.bound == "at_or_below"
    point = verdict.begins_to_overfit.at_best_checkpoint
    assert (point.rung, point.bound, point.established) == ("rung 2", "exact", True)
    better = ladder([Truth(lowest=value, scale=0.005) for value in (2.9, 2.7, 2.4)])
    point = better.begins_to_overfit.at_best_checkpoint
    assert (point.rung, point.bound, point.established) == ("rung 2", "above", True)


def test_rung_summary() -> None:
    verdict = ladder([FLAT, RISING])
    flat, rising = verdict.rungs
    assert flat.onset_epoch is None and flat.overfit_share is not None and flat.overfit_share[:2] == (0, 0)
    assert rising.statuses == {"overfit": 6} and rising.overfit_share is not None
    assert rising.overfit_share == pytest.approx((1, 0.54074, 1), abs=1e-4)
    assert rising.val_loss_best is not None and rising.val_loss_final is not None
    assert rising.val_loss_final[0] > 1.2 * rising.val_loss_best[0]
    assert rising.val_accuracy_best == pytest.approx((0.3, 0))


def test_failed_fits_are_counted_and_left_out() -> None:
    curves = {"a": synthetic.fits(FLAT, repeats=6, rung=0), "b": synthetic.fits(RISING, repeats=6, rung=1)}
    order = [RungInfo("a", "capacity", 1), RungInfo("b", "capacity", 2)]
    without = judge_ladder({**curves, "b": curves["b"][:3]}, order=order, validation_fraction=0.25)
    short, full = curves["b"][4], curves["b"][5]
    curves["b"][3] = Curves((), (), None, None, repeat=3, failure="killed")
    curves["b"][4] = Curves(short.train_loss[:20], short.val_loss[:20], None, None, repeat=4)
    curves["b"][5] = Curves(full.train_loss, (*full.val_loss[:-1], float("nan")), None, None, repeat=5)
    verdict = judge_ladder(curves, order=order, validation_fraction=0.25)
    assert verdict.rungs[1].statuses == {"undetermined": 3, "overfit": 3}
    assert (verdict.rungs[1].repeats, verdict.rungs[1].left_out) == (6, 3)
    assert verdict.rungs[1].val_loss_final == without.rungs[1].val_loss_final
    assert "3 of 12 fits" in verdict.answer
    validate(verdict)


def test_nothing_usable_still_gives_a_document() -> None:
    curves = {"a": [Curves((), (), None, None, repeat=r, failure="killed") for r in range(6)]}
    verdict = judge_ladder(curves, order=[RungInfo("a", "capacity", 1)], validation_fraction=0.25)
    assert verdict.recommended.rung is None
    assert verdict.begins_to_overfit.trained_to_the_end.bound == "none"
    validate(verdict)


def test_recommendation_is_the_simplest_within_one_error() -> None:
    close = ladder([Truth(lowest=value, scale=0.002) for value in (2.9, 2.41, 2.4)])
    assert close.recommended.rung == "rung 1"
    assert close.recommended.epochs is not None and 15 <= close.recommended.epochs <= 50


def test_remedy_is_compared_and_never_the_answer() -> None:
    curves = {
        "small": synthetic.fits(FLAT, repeats=6, rung=0),
        "stack": synthetic.fits(Truth(rise=0.6, onset=15), repeats=6, rung=1),
        "dropout": synthetic.fits(Truth(rise=0.2, onset=25, lowest=2.3), repeats=6, rung=2),
    }
    order = [RungInfo("small", "capacity", 1), RungInfo("stack", "capacity", 9), RungInfo("dropout", "remedy", 9)]
    verdict = judge_ladder(curves, order=order, validation_fraction=0.25)
    assert verdict.begins_to_overfit.trained_to_the_end.rung == "stack"
    (effect,) = verdict.remedies
    assert (effect.name, effect.against) == ("dropout", "stack")
    assert effect.final_loss_ratio is not None and effect.onset_shift is not None
    assert effect.final_loss_ratio[0] == pytest.approx(2.3 * 1.2 / (2.4 * 1.6), abs=0.05)
    assert effect.onset_shift[0] == pytest.approx(10, abs=4)
    validate(verdict)


def test_order_of_repeats_does_not_matter() -> None:
    curves = {"a": synthetic.fits(FLAT, repeats=6, rung=0), "b": synthetic.fits(RISING, repeats=6, rung=1)}
    order = [RungInfo("a", "capacity", 1), RungInfo("b", "capacity", 2)]
    verdict = judge_ladder(curves, order=order, validation_fraction=0.25)
    turned = {"b": curves["b"][::-1], "a": curves["a"][2:] + curves["a"][:2]}
    assert judge_ladder(turned, order=order, validation_fraction=0.25) == verdict


def test_rise_is_measured_where_the_others_have_their_minimum() -> None:
    levels = [np.array([3.0, 2.0, 2.5]), np.array([3.0, 2.4, 2.0]), np.array([3.0, 2.2, 1.9])]
    assert rises_to_the_end(levels) == pytest.approx([0.0, np.log(2.0 / 2.4), np.log(1.9 / 2.2)])
    assert rises_to_the_end(levels[:1]) == []


def test_best_lower_rung_is_chosen_without_the_repeat_measured() -> None:
    lower = [{0: 1.0, 1: 4.0}, {0: 2.0, 1: 2.0}]
    # Repeat 0 is measured against the second rung (2 < 4 in repeat 1), repeat 1 against the first (1 < 2).
    assert excess_over_best_lower({0: 2.0, 1: 4.0}, lower) == pytest.approx([0.0, 0.0])


def test_bad_input_raises() -> None:
    curves = {"a": synthetic.fits(FLAT, repeats=3, rung=0)}
    order = [RungInfo("a", "capacity", 1)]
    with pytest.raises(LabError, match="order"):
        judge_ladder(curves, order=[RungInfo("b", "capacity", 1)], validation_fraction=0.25)
    with pytest.raises(LabError, match="capacity"):
        judge_ladder(curves, order=[RungInfo("a", "remedy", 1)], validation_fraction=0.25)
    with pytest.raises(LabError, match="twice"):
        judge_ladder({"a": curves["a"] * 2}, order=order, validation_fraction=0.25)
    with pytest.raises(LabError, match="mode"):
        config = JudgeConfig(onset=OnsetConfig(mode="max"))
        judge_ladder(curves, order=order, validation_fraction=0.25, config=config)
    with pytest.raises(LabError, match="above 0"):
        negative = Curves([1.0] * 20, [-1.0] * 20, None, None, repeat=0)  # type: ignore[arg-type]
        judge_ladder({"a": [negative]}, order=order, validation_fraction=0.25)
    with pytest.raises(LabError, match="role"):
        RungInfo("a", "answer", 1)


def test_ladder_of_one_rung_speaks_of_that_rung() -> None:
    """Of no ladder, no highest and no lowest rung, and of no checkpoint that is compared with nothing."""
    never = Truth(start=3.2, lowest=3.2, rise=0.5, onset=2, scale=0.005)
    answers = {
        "rung 0 has learnt nothing that could be overfit": ladder([never]).answer,
        "rung 0 overfits, from about epoch": ladder([Truth(rise=0.5)]).answer,
        "rung 0 does not overfit: established": ladder([Truth(rise=0.0, scale=0.005)]).answer,
        "Whether rung 0 overfits": ladder([Truth(rise=0.5)], repeats=1).answer,
    }
    for said, answer in answers.items():
        assert said in answer
        assert "any rung" not in answer and "lowest" not in answer and "best checkpoint" not in answer
    assert "fits by themselves: overfit 1" in answers["Whether rung 0 overfits"]


def test_rung_that_never_learns_is_named() -> None:
    """As with labels dealt out at random: the loss rises from chance, and nothing was learnt before."""
    never = Truth(start=3.2, lowest=3.2, rise=0.5, onset=2, scale=0.005)
    verdict = ladder([never, never])
    for point in (verdict.begins_to_overfit.trained_to_the_end, verdict.begins_to_overfit.at_best_checkpoint):
        assert (point.rung, point.bound, point.between, point.established) == (None, "none", None, False)
        assert "Not judged: rung 0, rung 1" in point.reason
    assert {(rung.state, rung.state_at_best) for rung in verdict.rungs} == {("not_learnt", "not_learnt")}
    assert "no rung has learnt" in verdict.answer and "begins to overfit at" not in verdict.answer
    assert verdict.recommended.rung is None
    validate(verdict)
    assert "never credibly better" not in ladder([Truth(), Truth(rise=0.5)]).answer


def test_rung_that_never_learns_stops_both_sequences() -> None:
    never = Truth(start=3.2, lowest=3.2, rise=0.5, onset=2, scale=0.005)
    verdict = ladder([never, FLAT, RISING])
    point = verdict.begins_to_overfit.trained_to_the_end
    assert (point.rung, point.bound, point.between, point.established) == (
        "rung 2", "at_or_below", ("rung 0", "rung 2"), False,
    )  # fmt: skip
    assert [rung.state for rung in verdict.rungs] == ["not_learnt", "open", "overfits"]
    assert "Not judged: rung 0" in point.reason and "stopped before rung 1" in point.reason
    top = ladder([FLAT, RISING, never])
    assert [rung.state for rung in top.rungs] == ["does_not", "open", "not_learnt"]
    assert top.begins_to_overfit.trained_to_the_end.between == ("rung 1", None)
    assert top.rungs[2].state_at_best == "not_learnt"  # its loss is the worst, which is no overfitting
    validate(top)


def test_open_rungs_are_named_by_both_ends() -> None:
    verdict = ladder([FLAT, Truth(rise=0.06, scale=0.03), Truth(rise=0.06, scale=0.03), Truth(rise=0.6)])
    point = verdict.begins_to_overfit.trained_to_the_end
    assert point.between == ("rung 1", "rung 3")
    assert "between rung 1 and rung 3, which overfits from about epoch" in verdict.answer
    assert [rung.state for rung in verdict.rungs] == ["does_not", "open", "open", "overfits"]
    top = verdict.rungs[3].rise
    assert top is not None and top[1] is not None and top[0] == pytest.approx(0.6, abs=0.05) and top[1] > 0.05
    validate(verdict)


def test_smaller_alpha_establishes_less_and_leaves_the_reported_intervals() -> None:
    curves = {"a": synthetic.fits(FLAT, repeats=6, rung=0), "b": synthetic.fits(Truth(rise=0.12), repeats=6, rung=1)}
    order = [RungInfo("a", "capacity", 1), RungInfo("b", "capacity", 2)]
    usual, strict = (
        judge_ladder(curves, order=order, validation_fraction=0.25, config=JudgeConfig(alpha=alpha))
        for alpha in (0.05, 1e-6)
    )
    assert usual.begins_to_overfit.trained_to_the_end.established
    point = strict.begins_to_overfit.trained_to_the_end
    assert not point.established and point.bound == "none"
    assert "100 % intervals" not in point.reason and "99.9999 % intervals" in point.reason
    assert [rung.rise for rung in strict.rungs] == [rung.rise for rung in usual.rungs]
    with pytest.raises(LabError, match="alpha"):
        JudgeConfig(alpha=0.0)


def test_repeats_missing_on_some_rungs_are_paired_where_both_are() -> None:
    curves = {f"r{i}": synthetic.fits(t, repeats=6, rung=i) for i, t in enumerate((FLAT, FLAT, RISING))}
    curves["r0"], curves["r2"] = curves["r0"][2:], curves["r2"][:4]
    order = [RungInfo(name, "capacity", i) for i, name in enumerate(curves)]
    verdict = judge_ladder(curves, order=order, validation_fraction=0.25)
    assert verdict.begins_to_overfit.trained_to_the_end.rung == "r2"
    curves["r0"] = curves["r0"][-1:]
    verdict = judge_ladder(curves, order=order, validation_fraction=0.25)
    assert verdict.rungs[0].state == "open" and "Fewer than 3" in verdict.begins_to_overfit.trained_to_the_end.reason
    assert verdict.rungs[2].excess is not None and verdict.rungs[2].excess[2] is None  # r0 shares no repeat with r2
    validate(verdict)
