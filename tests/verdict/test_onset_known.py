"""What `find_onset` has to get right to be accepted: kinds of curves, ladders on record, labelled histories."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rfcx_lab.verdict import find_onset
from rfcx_lab.verdict.record import read_record
from tests.conftest import ROOT, real_data
from tests.verdict.synthetic import SEEDS, Series, Truth, noise

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
