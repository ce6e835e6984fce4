"""Judged while repeats come in: where a ladder stops, at which level, and that a kill changes neither."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest

from rfcx_lab.errors import LabError
from rfcx_lab.lab import looks
from rfcx_lab.lab.checks import plan_of
from rfcx_lab.lab.ladder import climb_ladder
from rfcx_lab.lab.study import prepare_study
from tests import fakes
from tests.lab.driver import EPOCHS, Moment, said, start_driver, verdict_path
from tests.lab.outcome import RUNGS, assert_view_is_whole, by_level, runs_of, without_root
from tests.lab.unseen import look

LOOKS = "ladder.repeats={min:4,max:12}"
CLEAR = {"LSTM 8": 0.0, "LSTM 32": 0.0, "+ Dense 48": 0.7}
"""Settled by few repeats."""
SPREAD = {**CLEAR, "+ Dense 48": [0.4, 1.0, 0.4, 1.0, *[0.7] * 16]}
"""Open after 4 repeats, and settled by 4 more that agree."""
AT_THE_MARGIN = {**CLEAR, "LSTM 32": [0.15, -0.05] * 6}
"""Neither above the margin nor below it, however often it is repeated."""


def lines(diary: Path) -> int:
    return len(diary.read_text().splitlines())


def seen(planned: list[dict]) -> list[tuple]:
    return [(each["repeats"], each["alpha"], each["established"]) for each in planned]


def test_a_clear_ladder_stops_at_the_first_look_and_says_so(planted, tmp_path, diary, capsys):
    config = planted(CLEAR, LOOKS)
    document = climb_ladder(config, tmp_path / "out", fit=fakes.fake_fit).document
    assert seen(document["looks"]) == [(4, 0.010, True), (8, 0.015, None), (12, 0.025, None)]
    assert lines(diary) == 4 * len(RUNGS)
    assert document["judge"]["alpha"] == 0.010
    assert {rung["repeats"] for rung in document["rungs"]} == {4}
    assert "Stopped after 4 of at most 12 planned repeats, and judged at alpha = 0.01." in document["answer"]
    assert_view_is_whole(config.tracking.uri, repeats=4, epochs=EPOCHS)
    output = capsys.readouterr().out
    assert "Fits: at least 12, about " in output
    assert "; at most 36 of 36, about " in output


def test_an_open_one_goes_on_to_the_second(planted, diary, capsys):
    climbed = look(planted(SPREAD, LOOKS))
    assert seen(climbed.looks) == [(4, 0.010, False), (8, 0.015, True), (12, 0.025, None)]
    assert lines(diary) == 8 * len(RUNGS)
    assert climbed.judge.alpha == 0.015
    assert "Stopped after 8 of at most 12" in climbed.verdict.answer
    text = "Look 1 of 3, after 4 repeats (alpha = 0.01): not settled. On to 8 repeats, 12 fits, about "
    assert text in capsys.readouterr().out


def test_each_look_is_judged_at_its_own_level_and_no_hope_is_believed_at_the_second(planted, monkeypatch):
    levels, original = [], looks.judge_ladder

    def judge(curves, **options):
        levels.append((len(curves["LSTM 8"]), options["config"].alpha))
        return original(curves, **options)

    monkeypatch.setattr(looks, "judge_ladder", judge)
    climbed = look(planted(AT_THE_MARGIN, LOOKS))
    assert seen(climbed.looks) == [(4, 0.010, False), (8, 0.015, False), (12, 0.025, None)]
    assert levels == [(4, 0.010), (8, 0.015)]


def test_one_that_is_never_settled_comes_to_the_last_look(planted, diary):
    """A rung that always fails might be settled by repeats that don't; it is not tried twice in one run."""
    climbed = look(planted(CLEAR, LOOKS), fit=fakes.sometimes_failing_fit)
    assert seen(climbed.looks) == [(4, 0.010, False), (8, 0.015, False), (12, 0.025, False)]
    assert "All 12 planned repeats were run, and judged at alpha = 0.025." in climbed.verdict.answer
    assert lines(diary) == 12 * 2  # + Dense 48 raises before it notes anything
    assert {rung.repeats for rung in climbed.verdict.rungs} == {12}


def test_what_stopped_at_eight_is_what_eight_repeats_come_to(planted, diary):
    """Repeat r is the same: nothing is fitted anew, and but for its level the verdict is the same."""
    looked = look(planted(SPREAD, LOOKS))
    fitted = lines(diary)
    plain = look(planted(SPREAD, "ladder.repeats=8"))
    assert lines(diary) == fitted
    assert seen(plain.looks) == [(8, 0.05, True)]
    assert plain.record == looked.record
    points = [each.verdict.begins_to_overfit.trained_to_the_end for each in (plain, looked)]
    assert [(point.rung, point.established) for point in points] == [("+ Dense 48", True)] * 2


def test_another_most_is_another_study_over_the_same_fits(planted, tmp_path, diary):
    """Its looks are at 4, 12 and 20, at levels of their own; what the first one fitted is there."""
    config, larger = planted(SPREAD, LOOKS), planted(SPREAD, "ladder.repeats={min:4,max:20}")
    assert prepare_study(larger).key != prepare_study(config).key
    climb_ladder(config, tmp_path / "one", fit=fakes.fake_fit)
    assert lines(diary) == 8 * len(RUNGS)
    second = climb_ladder(larger, tmp_path / "two", fit=fakes.fake_fit).document
    assert seen(second["looks"]) == [(4, 0.010, False), (12, 0.015, True), (20, 0.025, None)]
    assert lines(diary) == 12 * len(RUNGS)
    assert len(by_level(runs_of(config.tracking.uri), "study")) == 2


def test_sigkill_between_looks_and_around_them(planted, tmp_path):
    """Right before the first look, right after it, and amid the repeats of the second; then twice to the end."""
    runs = Path(planted(SPREAD).runs_dir)
    calm = tmp_path / "calm" / "runs"
    shutil.copytree(runs, calm)
    finish(calm)
    expected = document_of(calm)
    assert seen(expected["looks"]) == [(4, 0.010, False), (8, 0.015, True), (12, 0.025, None)]
    for fits in (11, 12, 19):
        kill_after(runs, fits)
        assert count(runs) == fits
    for _ in range(2):
        finish(runs)
        assert document_of(runs) == expected
        assert_view_is_whole(f"sqlite:///{runs}/mlflow.db", repeats=8, epochs=EPOCHS)


def count(runs: Path) -> int:
    return len(list(runs.glob("fits/[!.]*/fit.json")))


def kill_after(runs: Path, fits: int) -> None:
    """Kill a driver right before it would put one more fit than so many into the store."""
    moment = Moment("os.rename fits/.", fits - count(runs), marked=True)
    driver = start_driver(runs, LOOKS, kill_at=moment, environment={fakes.RISES: json.dumps(SPREAD)})
    driver.join(120)
    assert driver.exitcode == -signal.SIGKILL, said(runs)


def finish(runs: Path) -> None:
    driver = start_driver(runs, LOOKS, environment={fakes.RISES: json.dumps(SPREAD)})
    driver.join(120)
    assert driver.exitcode == 0, said(runs)


def document_of(runs: Path) -> dict:
    return without_root(json.loads(verdict_path(runs).read_text()))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{min:4}", r"\{'min': 4\}: must be a whole number, or \{min: 4, max: 12\}"),
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
    [only] = plan_of(toy_config("ladder.repeats=6"))
    assert (only.repeats, only.alpha) == (6, 0.05)
