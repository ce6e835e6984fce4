from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from rfcx_lab.errors import LabError
from rfcx_lab.verdict import OnsetConfig, find_onset
from rfcx_lab.verdict.epochs import LoggedFit
from rfcx_lab.verdict.groups import conclude, describe, exit_status, judge_fit, judge_group
from tests.verdict.synthetic import Truth

RISING, FLAT = Truth(rise=0.3), Truth(rise=0.0)


def logged(truth: Truth, seed: int, *, epochs: tuple[int, ...] | None = None, name: str = "loss") -> LoggedFit:
    train, val = (tuple(map(float, series)) for series in truth.curves(seed))
    return LoggedFit(f"log {seed}", name, f"val_{name}", train, val, epochs or tuple(range(1, truth.epochs + 1)))


def broken(seed: int) -> LoggedFit:
    fit = logged(FLAT, seed)
    return replace(fit, val=(*fit.val[:-1], math.nan))


def test_a_fit_is_judged_by_find_onset():
    fit = logged(RISING, 0)
    assert judge_fit(fit, OnsetConfig()).verdict == find_onset(fit.train, fit.val)
    upside_down = replace(fit, train=tuple(-v for v in fit.train), val=tuple(-v for v in fit.val), val_name="val_acc")
    judged = judge_fit(upside_down, OnsetConfig())
    assert (judged.mode, judged.verdict.onset_epoch) == ("max", find_onset(fit.train, fit.val).onset_epoch)
    assert judge_fit(upside_down, OnsetConfig(), mode="min").verdict.status != "overfit"


def test_epochs_are_those_of_the_log():
    plain = judge_fit(logged(RISING, 0), OnsetConfig()).verdict
    sparse = judge_fit(logged(RISING, 0, epochs=tuple(range(5, 251, 5))), OnsetConfig()).verdict
    for name in ("onset_epoch", "best_epoch", "first_alarm", "confirmed_epoch"):
        assert getattr(sparse, name) == 5 * getattr(plain, name)
    assert f"around epoch {5 * plain.onset_epoch}, " in sparse.reason
    improving = Truth(rise=0, onset=80)
    reason = judge_fit(logged(improving, 1, epochs=tuple(range(5, 251, 5))), OnsetConfig()).verdict.reason
    assert reason == "Validation was still improving at the last epoch, 250."


def test_a_group_counts_its_fits_with_intervals():
    logs = [
        judge_fit(fit, OnsetConfig()) for fit in (*(logged(RISING, i) for i in range(7)), logged(FLAT, 7), broken(8))
    ]
    group = judge_group("model", logs)
    assert group.statuses == {"undetermined": 1, "overfit": 7, "not_overfit": 1}
    share, low, high = group.overfit_share
    assert share == 7 / 8
    # Clopper and Pearson: at either end the outcome or a more extreme one has a chance of 2.5 %.
    assert sum(math.comb(8, k) * low**k * (1 - low) ** (8 - k) for k in (7, 8)) == pytest.approx(0.025)
    assert sum(math.comb(8, k) * high**k * (1 - high) ** (8 - k) for k in range(8)) == pytest.approx(0.025)
    onsets = sorted(log.verdict.onset_epoch for log in logs[:7])
    # Of 8 values, the one of the fit that does not overfit lying beyond all, the 1st and 8th bound the median at 95 %.
    assert group.onset_epoch == ((onsets[3] + onsets[4]) / 2, onsets[0], None)
    assert group.best_epoch[0] == sorted(log.verdict.best_epoch for log in logs)[4]
    improving = judge_fit(logged(Truth(rise=0, onset=80), 1), OnsetConfig())
    assert improving.verdict.best_epoch == 49
    assert judge_group("model", [improving]).best_epoch is None
    few = judge_group("model", [logs[0], *logs[7:]])
    assert few.onset_epoch is None
    assert judge_group("model", logs[8:]).overfit_share is None


def test_a_group_has_one_direction():
    logs = [judge_fit(logged(FLAT, 0), OnsetConfig()), judge_fit(logged(FLAT, 1, name="acc"), OnsetConfig())]
    with pytest.raises(LabError, match=r"val_loss in log 0.*val_acc in log 1"):
        judge_group("model", logs)
    with pytest.raises(LabError, match="no fits"):
        judge_group("model", [])


def test_any_overfit_goes_before_any_untold_before_none():
    rising, flat, untold = (judge_fit(fit, OnsetConfig()) for fit in (logged(RISING, 0), logged(FLAT, 1), broken(2)))
    unlearnt = judge_fit(replace(flat.fit, val=flat.fit.val[::-1]), OnsetConfig())
    assert [exit_status(logs) for logs in ([flat], [flat, untold], [untold, rising, flat], [flat, flat])] == [
        0,
        4,
        3,
        0,
    ]
    assert (unlearnt.verdict.status, exit_status([unlearnt])) == ("not_learning", 4)
    assert conclude([flat, untold, rising]) == "1 of 3 fits overfit; of 1 it can't be said."
    assert conclude([flat]) == "log 1 does not overfit in 50 epochs."
    assert conclude([rising]) == f"log 0 overfits, from about epoch {rising.verdict.onset_epoch} on."
    assert conclude([untold]) == "Whether log 2 overfits can't be said: undetermined."


def test_the_document_is_strict_json():
    infinite = replace(logged(FLAT, 0), val=(math.inf,) * 50)
    logs = [judge_fit(fit, OnsetConfig()) for fit in (infinite, broken(1), logged(RISING, 2))]
    document = describe([(judge_group("model", logs), logs)])
    assert json.loads(json.dumps(document, allow_nan=False))["exit_status"] == 3
    assert [fit["status"] for fit in document["fits"]] == ["undetermined", "undetermined", "overfit"]
