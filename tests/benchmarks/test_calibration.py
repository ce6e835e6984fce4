"""The calibration runs, counts right, and tells a broken estimator from a sound one."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from calibration_cases import Case, model_rung
from calibration_tables import interval_row, judge_share
from calibration_trials import LOOKS, Bracket, Claim, _first_established, try_curve, try_ladder, try_rung
from known_families import draw_known
from known_truth import KnownLadder, KnownRung, Noise, Spread
from onset_families import draw_families
from onset_rules import Ruling, final_rise, patience
from onset_scores import Outcome, macro_f1
from record_fit import fit_records

from rfcx_lab.verdict import crossfit, find_onset, intervals, questions, rungs
from tests.benchmarks.test_scripts import run


def test_script_prints_every_table():
    finished = run("calibration", "--simulations", "1", "--workers", "2")
    assert not finished.stderr and finished.returncode in (0, 1)  # 1: of one simulation, chance misses some aim
    said = finished.stdout
    for title in (
        "Rungs on record", "Onset, 30 epochs", "Onset, 50 epochs", "Onset, 100 epochs",
        "95 % interval of the median onset epoch", "95 % interval of the rise", "Established, 6 repeats",
        "Established, planned looks", "Power: the true rung established",
    ):  # fmt: skip
        assert f"### {title}\n" in said, title
    assert re.search(r"^\| turns: rung 1 just over the margin \| .* \| (met|open|missed) \|$", said, re.MULTILINE)
    assert re.search(r"^\d+ aims missed beyond chance$", said, re.MULTILINE)


def test_simulations_do_not_depend_on_how_many_there_are_or_on_the_processes():
    few, many = (
        run("calibration", "--tables", "onset", "--simulations", "2", "--workers", workers).stdout
        for workers in ("1", "2")
    )
    assert few == many and "as on record" in few


@pytest.mark.parametrize(
    ("truth", "bound", "index", "right"),
    [
        (1, "exact", 1, True), (1, "exact", 2, False), (1, "at_or_below", 0, False), (1, "above", 2, False),
        (1, "at_or_below", 1, False),
        (0, "at_or_below", 0, True), (0, "exact", 1, False), (None, "above", 2, True), (None, "exact", 2, False),
        (None, "at_or_below", 0, False),
    ],
)  # fmt: skip
def test_claims_are_held_against_the_truth(truth, bound, index, right):
    claim = Claim(bound, index, True, truth, 6)
    assert (claim.right, claim.wrong) == (right, not right)
    assert claim.named_wrongly == (bound == "exact" and not right)
    modest = Claim(bound, index, False, truth, 6)
    assert not modest.right and not modest.wrong and not modest.exact


def test_bound_is_false_only_where_it_leaves_the_truth_out():
    assert Claim("at_or_below", 2, False, 3, 6).bounds_wrongly
    assert Claim("at_or_below", 2, False, None, 6).bounds_wrongly
    assert not Claim("at_or_below", 2, False, 1, 6).bounds_wrongly
    assert not Claim("none", None, False, None, 6).bounds_wrongly


def test_looks_stop_at_the_first_that_establishes_something():
    claims = [Claim("none", None, False, 1, 4), Claim("exact", 1, True, 1, 8), Claim("exact", 2, True, 1, 12)]
    assert _first_established(claims).repeats == 8
    assert _first_established(claims[:1]).repeats == 4


def test_planned_looks_stop_as_a_ladder_does_also_where_more_repeats_would_not_settle_it():
    recorded = fit_records(correlation=0.25)
    rung = model_rung(recorded, "LSTM 128", rise=math.log(1.05))
    trials = [try_ladder(Case("on the margin", KnownLadder((rung,))), seed=0, index=index) for index in range(12)]
    given_up = [trial.looked for trial in trials if trial.looked.repeats == LOOKS[1].repeats]
    assert any(not claim.established for claim in given_up)
    assert all(trial.looked.established for trial in trials if trial.looked.repeats == LOOKS[0].repeats)
    assert all(trial.peeked.established or trial.peeked.repeats == LOOKS[-1].repeats for trial in trials)


def test_aims_are_missed_only_beyond_chance():
    assert judge_share(5, 100, most=0.05) == "met"
    assert judge_share(7, 100, most=0.05) == "open"
    assert judge_share(20, 100, most=0.05) == "missed"


def test_coverage_counts_open_ends_as_holding_and_leaves_out_what_was_not_said():
    brackets = [Bracket(2, 1, 3, 2, 4), Bracket(2, -math.inf, 3, 2, 2), Bracket(4, 3, 5, 2, 4), None]
    cells = interval_row("rung", brackets, aim="population").cells
    assert cells[0].startswith("0.667") and cells[1].startswith("0.667")
    assert list(cells[2:]) == ["2", "+0", "1", "1"]


NOISY_PLATEAU = Case(
    "noisy plateau",
    KnownLadder((KnownRung(0.04, depth=0.8, noise=Noise(0.08, 0.0), spread=Spread(0.05, 0.2, 0.25, 0.01)),)),
)


def plain_rise(levels, *, validation_fraction, confidence):
    """Over each curve's own minimum."""
    rises = [float(np.log(level[-1] / level.min())) for level in levels]
    return intervals.mean_interval(rises, validation_fraction=validation_fraction, confidence=confidence)


def replace_rise_interval(monkeypatch, substitute):
    for module in (questions, rungs):
        monkeypatch.setattr(module, "rise_interval", substitute)


def test_rise_over_a_curve_s_own_minimum_is_caught(monkeypatch):
    def bias():
        trials = [try_rung(NOISY_PLATEAU, seed=0, index=i, repeats=12).rise for i in range(16)]
        return np.mean([trial.point - trial.population for trial in trials if trial is not None])

    assert abs(bias()) <= 0.03
    replace_rise_interval(monkeypatch, plain_rise)
    assert bias() >= 0.045


def coverage(case: Case, simulations: int, *, quantity: str, truth: str) -> float:
    trials = [getattr(try_rung(case, seed=0, index=i, repeats=12), quantity) for i in range(simulations)]
    return float(np.mean([trial is not None and trial.covers(getattr(trial, truth)) for trial in trials]))


def test_interval_that_takes_repeats_for_independent_is_caught(monkeypatch):
    case = Case("rung", KnownLadder((model_rung(fit_records(correlation=0.25), "+ Dense 128", rise=0.35),)))
    assert coverage(case, 40, quantity="rise", truth="population") >= 0.85
    corrected = crossfit.rise_interval

    def uncorrected(levels, *, validation_fraction, confidence):
        return corrected(levels, validation_fraction=1e-9, confidence=confidence)

    replace_rise_interval(monkeypatch, uncorrected)
    assert coverage(case, 40, quantity="rise", truth="population") <= 0.8


def test_interval_of_the_onset_allows_for_the_smoothing(monkeypatch):
    """Over a long budget the running mean is wide, and puts an early minimum some epochs late in every fit."""
    rung = model_rung(fit_records(correlation=0.25), "+ Dense 128", rise=0.35, epochs=100)
    case = Case("rung", KnownLadder((rung,)))
    assert coverage(case, 12, quantity="onset", truth="given_shared") >= 0.9

    def order_statistics(rung, *, confidence):
        return intervals.median_interval([fit.onset for fit in rung.fits.values()], confidence=confidence)

    monkeypatch.setattr(rungs, "median_onset", order_statistics)
    assert coverage(case, 12, quantity="onset", truth="given_shared") <= 0.5


SOMETIMES_TURNING = Case(
    "a quarter of the fits never turns",
    KnownLadder((KnownRung(0.2, onset=7, spread=Spread(0.05, 0.1, 0.05, 0.3), noise=Noise(0.01, 0.0)),)),
)


def mean_raw_minimum(rung, *, confidence):
    """Mean epoch of the lowest losses with its t interval, however the curve goes on."""
    epochs = [float(fit.raw_best_epoch) for fit in rung.fits.values()]
    return intervals.mean_interval(epochs, validation_fraction=0.25, confidence=confidence)


def test_onset_as_the_mean_of_raw_minima_is_caught(monkeypatch):
    def errors():
        trials = [try_rung(SOMETIMES_TURNING, seed=0, index=i, repeats=12).onset for i in range(15)]
        return [abs(trial.point - trial.given_shared) for trial in trials if trial is not None]

    sound = errors()
    assert len(sound) >= 7 and np.median(sound) <= 1.5
    monkeypatch.setattr(rungs, "median_onset", mean_raw_minimum)
    assert np.median(errors()) >= 4


@pytest.fixture(scope="module")
def labelled():
    """Five curves of each simulated family: 35 overfit, 65 not."""
    return list(draw_families(5, seed=2))


def score(labelled, rule) -> float:
    return macro_f1([Outcome(history, rule(history.train, history.val)) for history in labelled])


def test_detector_tells_the_labelled_curves(labelled):
    def detect(train, val):
        return Ruling(find_onset(train, val).status == "overfit", None)

    assert score(labelled, detect) >= 0.95


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(lambda train, val: Ruling(bool(val[-1] > 1.05 * train[-1]), None), id="gap above 5 %"),
        pytest.param(patience(10), id="patience 10"),
        pytest.param(patience(50), id="patience 50"),
        pytest.param(final_rise(0.05), id="final rise above 5 %"),
        pytest.param(lambda train, val: Ruling(True, None), id="always"),
        pytest.param(lambda train, val: Ruling(False, None), id="never"),
    ],
)
def test_what_could_stand_in_for_the_detector_does_not_tell_them(labelled, rule):
    assert score(labelled, rule) < 0.9


def test_onset_of_a_steep_turn_in_a_long_budget_is_not_shifted_by_the_smoothing():
    """The window that finds the trough is eleven epochs wide in 100, and puts such onsets three epochs too late."""
    recorded = fit_records(correlation=0.25)
    curves = [curve for curve in draw_known(100, recorded, epochs=100, seed=3) if curve.family == "as on record"]
    errors = [trial.error for trial in map(try_curve, curves) if trial.said is not None]
    assert len(errors) > 70 and np.median(np.abs(errors)) <= 2
