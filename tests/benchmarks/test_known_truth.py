"""The simulated curves and ladders are what they say they are."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from calibration_cases import ladder_cases, model_rung, power_cases
from known_families import FAMILIES, draw_known
from known_truth import KnownLadder, KnownRung, Noise, Spread
from record_fit import fit_noise, fit_records, spread_between

ALIKE = Spread(0.0, 0.0, 0.0, 0.0)
SILENT = Noise(0.0, 0.0)


@pytest.fixture(scope="module")
def recorded():
    return fit_records(correlation=0.25)


@pytest.mark.parametrize("epochs", [30, 50, 100])
def test_without_noise_a_family_s_last_minimum_is_its_onset(recorded, epochs):
    curves = list(draw_known(8, recorded, epochs=epochs, seed=3, noisy=False))
    assert {curve.family for curve in curves} == set(FAMILIES)
    for curve in curves:
        assert len(curve.train) == len(curve.val) == epochs
        last = epochs - int(np.argmin(curve.clean[::-1]))
        rise = curve.clean[-1] / curve.clean.min() - 1
        if curve.onset is None:
            assert rise < 1e-9, curve.family
        else:
            assert last == curve.onset and rise > 0.1, curve.family
        if "spiky" in curve.family:
            assert (curve.val >= curve.clean).all()
        else:
            assert curve.val == pytest.approx(curve.clean)


def test_noise_is_drawn_around_the_same_truth(recorded):
    loud = list(draw_known(3, recorded, epochs=50, seed=1))
    quiet = list(draw_known(3, recorded, epochs=50, seed=1, noisy=False))
    for one, other in zip(loud, quiet, strict=True):
        assert one.clean == pytest.approx(other.clean) and one.onset == other.onset
        assert np.log(one.val / one.clean).std() > 0.005
    assert loud[1].val == pytest.approx(list(draw_known(2, recorded, epochs=50, seed=1))[1].val)


def test_fits_without_spread_have_the_rung_s_own_onset_and_rise():
    rung = KnownRung(0.3, onset=9, spread=ALIKE, noise=SILENT)
    drawn = KnownLadder((rung,)).draw(np.random.default_rng(0), 2)
    for curves in drawn.curves["rung 0"]:
        loss = np.array(curves.val_loss)
        assert len(loss) - np.argmin(loss[::-1]) == 9
        assert math.log(loss[-1] / loss.min()) == pytest.approx(0.3)
    assert rung.given_shared(drawn.shared[0], correlation=0.25).onset == pytest.approx(9)


def test_rise_is_that_of_the_mean_curve_however_onsets_scatter():
    rung = KnownRung(0.2, spread=Spread(0.05, 0.3, 0.4, 0.08))
    mean = rung.trends(np.random.default_rng(5).normal(size=(4, 20000))).mean(axis=0)
    assert mean[-1] - mean.min() == pytest.approx(0.2, abs=0.004)


def test_repeats_share_what_they_are_said_to_share():
    """Two repeats of one data set are correlated by `correlation`, two rungs of one repeat by PAIRED."""
    rung = KnownRung(0.0, spread=Spread(0.05, 0.0, 0.0, 0.0), noise=SILENT)
    for correlation in (0.0, 0.25, 0.7):
        ladder = KnownLadder((rung, rung), correlation=correlation)
        drawn = [ladder.draw(np.random.default_rng(seed), 2).curves for seed in range(800)]
        ends = np.log([[fit.val_loss[-1] for fits in curves.values() for fit in fits] for curves in drawn])
        between = np.corrcoef(ends, rowvar=False)
        assert ends.std(axis=0) == pytest.approx(0.05, rel=0.1)
        assert between[0, 1] == pytest.approx(correlation, abs=0.1)
        assert between[0, 2] == pytest.approx(0.5, abs=0.1)


def test_truth_given_the_data_is_where_many_repeats_on_them_go():
    rung = KnownRung(0.3, onset=12, spread=Spread(0.05, 0.2, 0.3, 0.1), noise=SILENT)
    drawn = KnownLadder((rung,), correlation=0.5).draw(np.random.default_rng(8), 600)
    losses = np.log([fit.val_loss for fit in drawn.curves["rung 0"]])
    known = rung.given_shared(drawn.shared[0], correlation=0.5)
    mean = losses.mean(axis=0)
    assert abs(known.rise - rung.rise) > 0.03, "these data happen to be as the population"
    assert mean[-1] - mean.min() == pytest.approx(known.rise, abs=0.02)
    assert np.median(np.argmin(losses, axis=1) + 1) == pytest.approx(known.onset, abs=1)


def test_more_repeats_change_none_of_those_before():
    ladder = KnownLadder((KnownRung(0.0), KnownRung(0.3)))
    few, many = (ladder.draw(np.random.default_rng(2), repeats).curves for repeats in (3, 6))
    assert all(list(many[name])[:3] == list(few[name]) for name in few)


def test_rungs_that_learn_nothing_never_fall_below_chance():
    rung = KnownRung(0.2, learns=False, spread=Spread(0.05, 0.2, 0.2, 0.0), noise=SILENT)
    for fit in KnownLadder((rung,)).draw(np.random.default_rng(0), 3).curves["rung 0"]:
        assert int(np.argmin(fit.val_loss)) == 0
        assert fit.train_loss[-1] < fit.train_loss[0] / 2


@pytest.mark.parametrize("phi", [0.0, 0.3, 0.6])
def test_fit_recovers_ar1_noise_around_a_trend(phi):
    made = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        trends = KnownRung(0.2, epochs=50).trends(rng.normal(size=(4, 6)))
        made.append(fit_noise(np.array([trend + Noise(0.02, phi).draw(rng, 50) for trend in trends])))
    assert np.mean([noise.phi for noise in made]) == pytest.approx(phi, abs=0.06)
    assert np.mean([noise.innovation for noise in made]) == pytest.approx(0.02, rel=0.05)


def test_noise_is_drawn_with_the_deviation_it_says():
    noise = Noise(0.02, 0.6)
    values = noise.draw(np.random.default_rng(0), 40_000)
    assert values.std() == pytest.approx(noise.deviation, rel=0.03) == pytest.approx(0.025, rel=0.03)
    assert np.corrcoef(values[1:], values[:-1])[0, 1] == pytest.approx(0.6, abs=0.02)


def test_spread_is_the_population_s_though_repeats_are_alike():
    """Six repeats that share a quarter of their variance scatter less than fits on other recordings would."""
    rng = np.random.default_rng(0)
    squares = [
        spread_between(math.sqrt(0.25) * rng.normal() + math.sqrt(0.75) * rng.normal(size=6), correlation=0.25) ** 2
        for _ in range(3000)
    ]
    assert np.mean(squares) == pytest.approx(1, abs=0.05)


def test_curves_drawn_like_a_record_are_fitted_like_it(recorded):
    rung = model_rung(recorded, "LSTM 128", rise=0.3, epochs=50)
    losses = np.log(
        [
            fit.val_loss
            for fit in KnownLadder((rung,), correlation=0.0).draw(np.random.default_rng(0), 60).curves["rung 0"]
        ]
    )
    fitted = fit_noise(losses)
    assert fitted.innovation == pytest.approx(rung.noise.innovation, rel=0.1)
    assert fitted.phi == pytest.approx(rung.noise.phi, abs=0.1)


def test_cases_are_of_the_kind_their_names_say(recorded):
    for case in ladder_cases(recorded):
        assert (case.truth is None) == case.name.startswith("never"), case.name
        if "rung 1 just under" in case.name:
            assert case.truth == 2
        elif "rung 1" in case.name:
            assert case.truth == 1
    for case in power_cases(recorded):
        rung = case.ladder.rungs[1]
        assert case.truth == 1 and f"{math.expm1(rung.rise):.0%}" == case.name
        steady = replace(rung, spread=ALIKE, noise=SILENT)
        mean = steady.trends(np.zeros((4, 1)))[0]
        assert math.expm1(mean[-1] - mean.min()) == pytest.approx(math.expm1(rung.rise))
