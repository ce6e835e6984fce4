"""`find_onset` on curves of known truth."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from rfcx_lab.errors import LabError
from rfcx_lab.verdict import OnsetConfig, OnsetMonitor, find_onset
from tests.verdict.synthetic import SEEDS, Truth, noise


def share(status: str, truth: Truth) -> float:
    return float(np.mean([find_onset(*truth.curves(seed)).status == status for seed in SEEDS]))


@pytest.mark.parametrize(("rise", "scale"), [(0.08, 0.005), (0.3, 0.01), (0.3, 0.02), (1.0, 0.03)])
def test_rise_is_found_at_its_onset(rise: float, scale: float) -> None:
    truth = Truth(rise=rise, scale=scale)
    verdicts = [find_onset(*truth.curves(seed)) for seed in SEEDS]
    assert np.mean([verdict.status == "overfit" for verdict in verdicts]) >= 0.9
    onsets = [verdict.onset_epoch for verdict in verdicts if verdict.onset_epoch is not None]
    assert abs(np.median(onsets) - truth.onset) <= 4
    for verdict in verdicts:
        if verdict.status == "overfit":
            assert verdict.onset_epoch is not None and verdict.rise is not None
            assert verdict.first_alarm is not None and verdict.confirmed_epoch is not None
            assert verdict.onset_epoch < verdict.first_alarm <= verdict.confirmed_epoch <= truth.epochs
            assert verdict.rise == pytest.approx(rise * truth.lowest, rel=0.35, abs=0.1)


@pytest.mark.parametrize("epochs", [12, 30, 200])
def test_length_does_not_matter(epochs: int) -> None:
    truth = Truth(epochs=epochs, onset=max(4, round(epochs * 0.4)), rise=0.4, scale=0.005)
    assert share("overfit", truth) >= 0.9
    assert share("overfit", replace(truth, rise=0.0)) == 0


@pytest.mark.parametrize("scale", [0.002, 0.01])
def test_growing_gap_without_rise_is_no_overfitting(scale: float) -> None:
    for seed in SEEDS:
        verdict = find_onset(*Truth(scale=scale).curves(seed))
        assert verdict.status in ("not_overfit", "still_improving")
        assert verdict.gap is not None and verdict.gap > 0.3 * 2.4
        assert verdict.first_alarm is None and verdict.onset_epoch is None


def test_plateau_is_not_overfit() -> None:
    assert share("not_overfit", Truth(scale=0.005)) >= 0.9


# Of the ladders on record: 1 to 4 % of the plot's height, 4.5 at most, correlated by 0 to .35.
@pytest.mark.parametrize(("scale", "correlation"), [(0.02, 0.35), (0.04, 0.0), (0.04, 0.35)])
@pytest.mark.parametrize("learns", [True, False])
@pytest.mark.parametrize("epochs", [30, 100])
def test_noise_alone_is_hardly_ever_overfitting(epochs: int, learns: bool, scale: float, correlation: float) -> None:
    verdicts = []
    for seed in range(100):
        train, validation = Truth(epochs=epochs, onset=epochs // 3, scale=0.0).curves(0)
        level = validation if learns else np.full(epochs, 3.2)
        height = max(train.max(), level.max()) - min(train.min(), level.min())
        rng = np.random.default_rng(seed)
        verdicts.append(find_onset(train, level + noise(rng, epochs, scale=scale * height, correlation=correlation)))
    assert sum(verdict.status == "overfit" for verdict in verdicts) <= 4
    assert sum(verdict.first_alarm is not None for verdict in verdicts) <= 9


def test_minimum_at_the_end_is_censored() -> None:
    epoch = np.arange(40)
    for seed in SEEDS:
        validation = 3 - 0.02 * epoch + noise(np.random.default_rng(seed), 40, scale=0.01)
        verdict = find_onset(validation - 0.1, validation)
        assert verdict.status == "still_improving"
        assert verdict.onset_epoch is None and verdict.confirmed_epoch is None


def test_flat_noise_is_not_learning() -> None:
    verdicts = [
        find_onset(np.linspace(3, 2, 40), 3.18 + noise(np.random.default_rng(s), 40, scale=0.02)) for s in range(60)
    ]
    assert np.mean([verdict.status == "not_learning" for verdict in verdicts]) >= 0.7


def test_rise_from_the_first_epoch_is_not_learning_and_says_so() -> None:
    verdict = find_onset(np.linspace(3, 0.5, 40), np.linspace(3, 5, 40))
    assert verdict.status == "not_learning"
    assert "never credibly better than at the first epoch" in verdict.reason


def test_both_rising_is_instability() -> None:
    train, validation = Truth(rise=0.5, scale=0.005).curves(0)
    verdict = find_onset(train + np.clip(np.arange(50) - 19, 0, None) * 0.05, validation)
    assert (verdict.status, verdict.cause) == ("undetermined", "unstable")
    assert verdict.onset_epoch is None


def test_too_short_is_undetermined() -> None:
    train, validation = Truth(rise=1.0).curves(0)
    for epochs in range(10):
        verdict = find_onset(train[:epochs], validation[:epochs])
        assert (verdict.status, verdict.cause) == ("undetermined", "too_short")


@pytest.mark.parametrize("level", [0.0, 2.5, -1.0])
def test_constant_curves_are_not_learning(level: float) -> None:
    verdict = find_onset([level] * 30, [level] * 30)
    assert (verdict.status, verdict.rise, verdict.gap, verdict.first_alarm) == ("not_learning", 0.0, 0.0, None)


def test_rounding_is_no_rise() -> None:
    values = 0.1 + 1e-16 * np.arange(60)
    values[0] = 0.2
    assert find_onset(values, values).first_alarm is None


def test_nothing_finite_and_nothing_at_all_are_undetermined() -> None:
    verdict = find_onset([math.nan] * 20, [math.nan] * 20)
    assert (verdict.status, verdict.cause, verdict.best_epoch) == ("undetermined", "not_finite", None)
    verdict = find_onset([], [])
    assert (verdict.status, verdict.cause, verdict.best_epoch) == ("undetermined", "too_short", None)
    assert verdict.reason == "There are no epochs."


def test_unequal_lengths_raise() -> None:
    with pytest.raises(LabError, match="one length"):
        find_onset([1.0, 2.0], [1.0])


@pytest.mark.parametrize("seed", range(15))
def test_monitor_is_find_onset_of_every_prefix(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = Truth(epochs=40, onset=15, rise=rng.choice([0, 0.1, 0.5]), scale=rng.choice([0.003, 0.02, 0.05]))
    train, validation = truth.curves(seed)
    if seed % 5 == 0:
        validation[35] = math.nan
    elif seed % 5 == 1:  # training rises, too, but late: unstable while a rise stands
        train, validation = Truth(epochs=40, onset=12, rise=0.8, scale=0.003).curves(seed)
        train[26:] += 0.1 * (seed + 1) * np.arange(14)
    monitor, alarms, since = OnsetMonitor(), [], None
    for n in range(1, truth.epochs + 1):
        verdict = monitor.update(train[n - 1], validation[n - 1])
        assert verdict == find_onset(train[:n], validation[:n])
        alarms += [n] if verdict.status == "overfit" else []
        since = (since or n) if verdict.status == "overfit" else None
        assert verdict.first_alarm == (alarms[0] if alarms else None)
        assert verdict.confirmed_epoch == since


@pytest.mark.parametrize("seed", range(6))
def test_mode_max_mirrors_mode_min(seed: int) -> None:
    train, validation = Truth(rise=[0.0, 0.3][seed % 2]).curves(seed)
    assert find_onset(-train, -validation, OnsetConfig(mode="max")) == find_onset(train, validation)


def test_falling_accuracy_is_overfitting() -> None:
    train, validation = Truth(rise=0.3, scale=0.003).curves(0)
    verdict = find_onset(1 - train / 4, 1 - validation / 4, OnsetConfig(mode="max"))
    assert verdict.status == "overfit"
    assert verdict.onset_epoch == find_onset(train, validation).onset_epoch
    assert verdict.gap is not None and verdict.gap > 0
    assert verdict.rise is not None and verdict.rise > 0


@pytest.mark.parametrize("factor", [1e-6, 0.25, 1e4])
@pytest.mark.parametrize("rise", [0.0, 0.3])
def test_unit_does_not_matter(factor: float, rise: float) -> None:
    train, validation = Truth(rise=rise).curves(5)
    verdict, scaled = find_onset(train, validation), find_onset(factor * train, factor * validation)
    assert verdict.rise is not None and scaled.rise == pytest.approx(factor * verdict.rise)
    for name in ("status", "onset_epoch", "best_epoch", "first_alarm", "confirmed_epoch"):
        assert getattr(scaled, name) == getattr(verdict, name)


@pytest.mark.parametrize("rise", [0.0, 0.3])
def test_zero_does_not_matter_once_the_loss_is_negative(rise: float) -> None:
    train, validation = Truth(rise=rise, scale=0.005).curves(5)
    expected = find_onset(train, validation)
    for shift in (-2.4, -10.0, -1000.0):
        shifted = find_onset(train + shift, validation + shift)
        assert shifted.status == expected.status
        assert shifted.onset_epoch == expected.onset_epoch


def test_best_epoch_is_the_raw_minimum() -> None:
    train, validation = Truth(rise=0.3).curves(2)
    validation[30] = 0.1
    assert find_onset(train, validation).best_epoch == 31


@pytest.mark.parametrize(
    "field", [{"mode": "up"}, {"min_rise": 0.0}, {"persistence": 0}, {"min_epochs": 2}, {"horizon": -1}]
)
def test_bad_threshold_raises(field: dict[str, object]) -> None:
    with pytest.raises(LabError, match=f"onset.{next(iter(field))}"):
        OnsetConfig(**field)  # type: ignore[arg-type]
