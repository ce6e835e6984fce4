"""`find_onset` on curves of known truth."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rfcx_lab.errors import LabError
from rfcx_lab.verdict import OnsetConfig, OnsetMonitor, find_onset
from rfcx_lab.verdict.record import read_record
from tests.conftest import ROOT, real_data
from tests.verdict.synthetic import Series, Truth, noise

SEEDS = range(20)


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


# Which rungs are flat and which turn is read off their plots. Between the lists lie rungs whose loss turns by little or
# not, and single fits whose rise stands within their own scatter.
RECORDS = {
    "ladder-esc50": {"flat": ["LSTM 8"], "open": ["LSTM 32"], "doubtful": ["LSTM 128 0"]},
    "ladder-soundscape": {
        "flat": ["LSTM 8", "LSTM 32"],
        "open": ["+ head dropout", "+ LSTM dropout"],
        "doubtful": ["LSTM 128 5", "+ Dense 128 2", "+ Dense 64 3"],
    },
}


@pytest.mark.parametrize("name", RECORDS)
def test_fits_on_record_are_what_they_look_like(name: str) -> None:
    record = read_record(ROOT / "experiments" / name / "curves.csv.gz")
    seen = RECORDS[name]
    for rung, fits in record.curves.items():
        for curves in fits:
            verdict = find_onset(curves.train_loss, curves.val_loss)
            fit = f"{rung} {curves.repeat}"
            if rung in seen["flat"]:
                assert verdict.status in ("still_improving", "not_overfit") and verdict.first_alarm is None, fit
            elif rung not in seen["open"] and fit not in seen["doubtful"]:
                assert verdict.status == "overfit", fit
            assert verdict.status != "not_learning", fit
            if fit in seen["doubtful"]:
                assert (verdict.status, verdict.cause) == ("undetermined", "too_noisy"), fit


Rule = Callable[[Series, Series], bool]


def _patience(train: Series, val: Series) -> bool:
    return len(val) - 1 - int(np.argmin(val)) >= 10


STAND_INS: dict[str, Rule] = {
    "gap above 5 %": lambda train, val: val[-1] > 1.05 * train[-1],
    "patience": _patience,
    "final rise above 5 %": lambda train, val: val[-1] > 1.05 * val.min(),
    "always": lambda train, val: True,
    "never": lambda train, val: False,
}


def acceptance(rule: Rule) -> dict[str, float]:
    """Share of right answers per kind of curve. A detector is accepted from .9 on every one."""
    kinds = {
        "rising": (True, Truth(rise=0.3, scale=0.01)),
        "rising by little": (True, Truth(epochs=100, onset=30, rise=0.1, scale=0.003)),
        "gap without a rise": (False, Truth(scale=0.003)),
        "noisy plateau": (False, Truth(epochs=80, scale=0.04)),
    }
    answers = {}
    for kind, (overfit, truth) in kinds.items():
        answers[kind] = float(np.mean([rule(*truth.curves(seed)) == overfit for seed in SEEDS]))
    return answers


def test_detector_is_accepted() -> None:
    answers = acceptance(lambda train, val: find_onset(train, val).status == "overfit")
    assert min(answers.values()) >= 0.9, answers


@pytest.mark.parametrize("name", STAND_INS)
def test_stand_in_is_rejected(name: str) -> None:
    assert min(acceptance(STAND_INS[name]).values()) < 0.9


@pytest.mark.parametrize(("every", "scale"), [(10, 0.0), (10, 0.005), (20, 0.0)])
def test_labelled_histories(every: int, scale: float) -> None:
    """As they are, thinned out, with noise: macro-F1 at least .96; the first alarm seldom comes before the best."""
    made = []
    for path in sorted(real_data("histories").rglob("*.json")):
        document = json.loads(path.read_text())
        train, val = (np.array(document[document[key]])[::every] for key in ("train_metric", "monitor_metric"))
        height = max(train.max(), val.max()) - min(train.min(), val.min())
        val = val + noise(np.random.default_rng(len(made)), len(val), scale=scale * height, correlation=0.0)
        verdict = find_onset(train, val)
        early = verdict.first_alarm is not None and verdict.first_alarm <= int(np.argmin(val))
        made.append((path.parent.name == "overfit", verdict.status == "overfit", early))
    label, said, early = np.array(made).T
    assert len(label) == 419 and label.sum() == 44
    scores = [2 * np.sum(a & b) / (np.sum(a) + np.sum(b)) for a, b in ((label, said), (~label, ~said))]
    assert np.mean(scores) >= 0.96
    assert early.mean() <= 0.025


def test_benchmark_measures_what_it_reads(tmp_path: Path) -> None:
    """Six histories: four right for certain, an overfit one that is flat, a flat one that is overfit."""
    rising, flat = Truth(rise=0.5, scale=0.005), Truth(scale=0.005)
    for label, truth, seeds in (("overfit", rising, (0, 1)), ("non_overfit", flat, (0, 1))):
        for seed in seeds:
            _write_history(tmp_path / "deep" / label / f"training_log_known_{seed}.json", truth, seed)
    _write_history(tmp_path / "overfit" / "training_log_wrong_0.json", flat, 2)
    _write_history(tmp_path / "non_overfit" / "training_log_wrong_1.json", rising, 2)
    command = [sys.executable, "benchmarks/onset.py", "--histories", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    made = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    assert "6 histories, 3 of them overfit" in made
    assert "| find_onset | 0.667 | 0.667 [0.300, 0.903] |" in made
    assert "| known, overfit | 2 of 2 |" in made and "| wrong, overfit | 0 of 1 |" in made
    assert "| patience 5 | 0.333 | 0.500" in made


def _write_history(path: Path, truth: Truth, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    train, val = (values.tolist() for values in truth.curves(seed))
    document = {"train_metric": "loss", "monitor_metric": "val_loss", "loss": train, "val_loss": val}
    path.write_text(json.dumps(document))
