"""`find_onset` where something else than overfitting moves the curves, or noise hides it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rfcx_lab.verdict import find_onset
from tests.verdict.synthetic import SEEDS, Truth


@pytest.mark.parametrize("at", [12, 25, 45, 48, 49])
@pytest.mark.parametrize("factor", [0.5, 2.0, 10.0])
def test_single_spike_changes_nothing(at: int, factor: float) -> None:
    train, validation = Truth(scale=0.005).curves(3)
    validation[at] *= factor
    verdict = find_onset(train, validation)
    assert verdict.status == "not_overfit" and verdict.first_alarm is None


def test_learning_rate_drop_does_not_alarm() -> None:
    for seed in SEEDS:
        train, validation = Truth(epochs=60, scale=0.005).curves(seed)
        train[35:] -= 0.3
        validation[35:] -= 0.3
        verdict = find_onset(train, validation)
        assert verdict.first_alarm is None
        assert verdict.status == "not_overfit"


@pytest.mark.parametrize("cycle", [10, 25])
def test_warm_restart_is_no_overfitting(cycle: int) -> None:
    for seed in SEEDS:
        train, validation = Truth(epochs=100, onset=40, scale=0.003).curves(seed)
        heat = (1 + np.cos(np.pi * (np.arange(100) % cycle) / cycle)) / 2
        verdict = find_onset(train + 0.5 * heat, validation + 0.2 * heat)
        assert verdict.status not in ("overfit", "not_learning")
        if cycle == 10:  # in a long cycle, what training gains by itself hides that the restart raised it
            assert verdict.first_alarm is None


@pytest.mark.parametrize(("at", "width"), [(15, 2), (30, 2), (41, 3), (80, 4)])
def test_short_burst_changes_nothing(at: int, width: int) -> None:
    train, validation = Truth(epochs=100, onset=30, scale=0.005).curves(3)
    validation[at : at + width] *= 1.5
    assert find_onset(train, validation).first_alarm is None


@pytest.mark.parametrize("at", [85, 100])
def test_jump_that_recedes_is_no_overfitting(at: int) -> None:
    """Up within one epoch, back within twenty: high for as long as a rise must last, but falling all the while."""
    for seed in SEEDS:
        train, validation = Truth(epochs=150, onset=40, scale=0.003).curves(seed)
        after = np.arange(150) - at
        validation = validation + 0.8 * (after >= 0) * np.exp(-np.clip(after, 0, None) / 6)
        assert find_onset(train, validation).first_alarm is None


def test_descent_after_a_rise_is_recognised() -> None:
    train, validation = Truth(epochs=90, onset=20, scale=0.003).curves(1)
    epoch = np.arange(90)
    validation = validation + 0.6 * np.exp(-(((epoch - 40) / 8) ** 2))
    during, after = find_onset(train[:42], validation[:42]), find_onset(train, validation)
    assert during.status == "overfit"
    assert after.status != "overfit" and after.confirmed_epoch is None
    assert after.first_alarm == during.first_alarm
    assert "come back" in after.reason


def test_noise_that_could_hide_any_rise_is_undetermined() -> None:
    causes = [find_onset(*Truth(epochs=30, onset=12, rise=0.07, scale=0.08).curves(seed)).cause for seed in SEEDS]
    assert causes.count("too_noisy") >= len(causes) / 2


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("side", [0, 1])
def test_non_finite_value_is_undetermined_and_keeps_the_alarm(bad: float, side: int) -> None:
    curves = Truth(rise=0.5, scale=0.005).curves(0)
    alarm = find_onset(*curves).first_alarm
    curves[side][-1] = bad
    verdict = find_onset(*curves)
    assert (verdict.status, verdict.cause) == ("undetermined", "not_finite")
    assert verdict.first_alarm == alarm
    assert verdict.rise is None and verdict.gap is None and verdict.onset_epoch is None
    assert verdict.best_epoch is not None


@pytest.mark.parametrize("seed", range(8))
def test_noise_that_grows_while_overfitting_does_not_hide_the_learning(seed: int) -> None:
    """As dense stacks do on few recordings: down within six epochs, then up by 60 % and ever noisier."""
    rng = np.random.default_rng(seed)
    epochs = np.arange(50)
    level = np.where(epochs < 6, 3.1 - 0.11 * epochs, 2.5 + 0.035 * (epochs - 6))
    val = level + rng.normal(0, np.linspace(0.02, 0.15, 50))
    verdict = find_onset(np.linspace(3.0, 0.1, 50), val)
    assert verdict.status == "overfit"
    assert verdict.onset_epoch == pytest.approx(6, abs=3)
