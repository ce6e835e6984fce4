"""Judged while repeats come in: where a ladder stops, at which level, and that a kill changes neither."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest

from rfcx_lab.config import Config
from rfcx_lab.errors import LabError
from rfcx_lab.lab import looks
from rfcx_lab.lab.checks import plan_of
from rfcx_lab.lab.ladder import climb_ladder
from rfcx_lab.lab.study import prepare_study
from tests import fakes
from tests.lab.driver import EPOCHS, Moment, said, start_driver, verdict_path
from tests.lab.outcome import RUNGS, assert_view_is_whole, by_level, runs_of, without_root

SIZE = (f"training.epochs={EPOCHS}", "split.test_fraction=0.3")
LOOKS = "ladder.repeats={min:4,max:12}"
CLEAR = {"LSTM 8": 0.0, "LSTM 32": 0.0, "+ Dense 48": 0.7}
"""Settled by few repeats."""
SPREAD = {**CLEAR, "+ Dense 48": [0.4, 1.0, 0.4, 1.0, *[0.7] * 8]}
"""Open after 4 repeats, and settled by 4 more that agree."""
AT_THE_MARGIN = {**CLEAR, "LSTM 32": [0.15, -0.05] * 6}
"""Neither above the margin nor below it, however often it is repeated."""


@pytest.fixture
def planted(monkeypatch, toy_config):
    """A config, under fits whose rises are planted."""

    def make(rises: dict, *overrides: str) -> Config:
        monkeypatch.setenv(fakes.RISES, json.dumps(rises))
        return toy_config(*SIZE, LOOKS, *overrides)

    return make


def climb(config: Config, output: Path, fit=fakes.fake_fit) -> dict:
    return climb_ladder(config, output, fit=fit).document


def lines(diary: Path) -> int:
    return len(diary.read_text().splitlines())


def seen(document: dict) -> list[tuple]:
    return [(look["repeats"], look["alpha"], look["established"]) for look in document["looks"]]


def test_a_clear_ladder_stops_at_the_first_look(planted, tmp_path, diary, capsys):
    config = planted(CLEAR)
    document = climb(config, tmp_path / "out")
    assert seen(document) == [(4, 0.010, True), (8, 0.015, None), (12, 0.025, None)]
    assert lines(diary) == 4 * len(RUNGS)
    assert document["judge"]["alpha"] == 0.010
    assert {rung["repeats"] for rung in document["rungs"]} == {4}
    assert "Stopped after 4 of at most 12 planned repeats, and judged at alpha = 0.01." in document["answer"]
    assert_view_is_whole(config.tracking.uri, repeats=4, epochs=EPOCHS)
    said_first = capsys.readouterr().out
    assert "Fits: at least 12, about " in said_first
    assert "; at most 36 of 36, about " in said_first


def test_an_open_one_goes_on_to_the_second(planted, tmp_path, diary, capsys):
    document = climb(planted(SPREAD), tmp_path / "out")
    assert seen(document) == [(4, 0.010, False), (8, 0.015, True), (12, 0.025, None)]
    assert lines(diary) == 8 * len(RUNGS)
    assert document["judge"]["alpha"] == 0.015
    assert "Stopped after 8 of at most 12" in document["answer"]
    assert (
        "Look 1 of 3, after 4 repeats (alpha = 0.01): not settled. On to 8 repeats, 12 fits" in capsys.readouterr().out
    )


def test_no_hope_is_believed_at_the_second_look(planted, tmp_path):
    document = climb(planted(AT_THE_MARGIN), tmp_path / "out")
    assert seen(document) == [(4, 0.010, False), (8, 0.015, False), (12, 0.025, None)]
    assert "more recordings are needed" in document["answer"]


def test_one_that_is_never_settled_comes_to_the_last_look(planted, tmp_path, diary):
    """A rung that always fails might be settled by repeats that don't; it is not tried twice in one run."""
    document = climb(planted(CLEAR), tmp_path / "out", fit=fakes.sometimes_failing_fit)
    assert seen(document) == [(4, 0.010, False), (8, 0.015, False), (12, 0.025, False)]
    assert "All 12 planned repeats were run, and judged at alpha = 0.025." in document["answer"]
    assert lines(diary) == 12 * 2  # + Dense 48 raises before it notes anything
    assert {rung["repeats"] for rung in document["rungs"]} == {12}


def test_each_look_is_judged_at_its_own_level(planted, tmp_path, monkeypatch):
    levels, original = [], looks.judge_ladder

    def judge(curves, **options):
        levels.append((len(curves["LSTM 8"]), options["config"].alpha))
        return original(curves, **options)

    monkeypatch.setattr(looks, "judge_ladder", judge)
    climb(planted(AT_THE_MARGIN), tmp_path / "out")
    assert levels == [(4, 0.010), (8, 0.015)]


def test_what_stopped_at_eight_is_what_eight_repeats_come_to(planted, toy_config, tmp_path, diary):
    """Repeat r is the same: nothing is fitted anew, and but for its level the verdict is the same."""
    looked = climb(planted(SPREAD), tmp_path / "one")
    fitted = lines(diary)
    plain = climb(toy_config(*SIZE, "ladder.repeats=8"), tmp_path / "two")
    assert lines(diary) == fitted
    assert seen(plain) == [(8, 0.05, True)]
    assert plain["rungs"] == looked["rungs"]
    assert plain["begins_to_overfit"]["trained_to_the_end"]["rung"] == "+ Dense 48"


def test_a_larger_most_is_another_study_over_the_same_fits(planted, tmp_path, diary):
    config = planted({**SPREAD, "+ Dense 48": [0.4, 1.0] * 10})
    first = climb(config, tmp_path / "one")
    fitted = lines(diary)
    larger = planted(SPREAD, "ladder.repeats={min:4,max:20}")
    assert prepare_study(larger).key != prepare_study(config).key
    second = climb(larger, tmp_path / "two")
    assert [look["repeats"] for look in second["looks"]] == [4, 12, 20]
    used = max(look["repeats"] for look in second["looks"] if look["established"] is not None)
    assert lines(diary) == fitted + max(0, used - first["rungs"][0]["repeats"]) * len(RUNGS)
    assert len(by_level(runs_of(config.tracking.uri), "study")) == 2


def test_a_rerun_goes_by_the_same_looks(planted, tmp_path, diary):
    config = planted(SPREAD)
    first = climb(config, tmp_path / "one")
    fitted = lines(diary)
    assert climb(config, tmp_path / "two") == first
    assert lines(diary) == fitted
    assert_view_is_whole(config.tracking.uri, repeats=8, epochs=EPOCHS)


def test_sigkill_between_looks_and_around_them(tmp_path, planted):
    """Before the first look is judged, right after it, and amid the repeats of the second."""
    planted(SPREAD)
    environment = {fakes.RISES: json.dumps(SPREAD)}
    calm = tmp_path / "calm"
    finish(calm, environment)
    expected = document_of(calm)
    assert [look["established"] for look in expected["looks"]] == [False, True, None]
    shutil.rmtree(calm)
    runs, killed = tmp_path / "runs", 0
    for fits in (11, 12, 13, 19, 23, 24):
        finished = len(list(runs.glob("fits/[!.]*/fit.json")))
        moment = Moment("os.rename fits/.", fits - finished)
        driver = start_driver(runs, LOOKS, kill_at=moment, environment=environment)
        driver.join(120)
        killed += driver.exitcode == -signal.SIGKILL
    assert killed >= 4
    finish(runs, environment)
    assert document_of(runs) == expected
    assert_view_is_whole(f"sqlite:///{runs}/mlflow.db", repeats=8, epochs=EPOCHS)


def finish(runs: Path, environment: dict[str, str]) -> None:
    driver = start_driver(runs, LOOKS, environment=environment)
    driver.join(120)
    assert driver.exitcode == 0, said(runs)


def document_of(runs: Path) -> dict:
    return without_root(json.loads(verdict_path(runs).read_text()))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{min:4}", r"ladder.repeats=\{'min': 4\}: must be a whole number, or \{min: 4, max: 12\}"),
        ("{min:4,max:12,x:1}", "must be a whole number, or"),
        ("{min:4,max:twelve}", "must be a whole number, or"),
        ("true", "must be a whole number, or"),
        ("2.5", "must be a whole number, or"),
        ("{min:12,max:4}", "the most must not be fewer"),
        ("{min:2,max:12}", "fewer than 3 establishes nothing"),
        ("{min:4,max:5000}", "at most 1000"),
        ("0", "must be 1 or more"),
    ],
)
def test_what_is_no_number_of_repeats_is_said(toy_config, value, message):
    with pytest.raises(LabError, match=message) as caught:
        plan_of(toy_config(f"ladder.repeats={value}"))
    assert str(caught.value).startswith("ladder.repeats=")


def test_one_number_is_one_look_at_the_whole_level(toy_config):
    [look] = plan_of(toy_config("ladder.repeats=6"))
    assert (look.repeats, look.alpha) == (6, 0.05)
