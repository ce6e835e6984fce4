"""Rungs that are added below a lowest one that overfits: when, which, and where they are seen."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest

from rfcx_lab.config import RungConfig
from rfcx_lab.lab.extension import rung_below
from rfcx_lab.lab.ladder import climb_ladder
from rfcx_lab.lab.looks import Climbed
from rfcx_lab.report.figure import ladder_figure
from rfcx_lab.verdict.record import read_record
from rfcx_lab.verdict.turning import TurningPoint
from tests import fakes
from tests.lab.driver import EPOCHS, Moment, said, start_driver, verdict_path
from tests.lab.outcome import RUNGS, assert_view_is_whole, by_level, runs_of, without_root
from tests.lab.unseen import look

REPEATS = 4
SIZE = f"ladder.repeats={REPEATS}"
ALL = {"LSTM 8": 0.7, "LSTM 32": 0.7, "+ Dense 48": 0.7}


def names(climbed: Climbed) -> list[str]:
    rungs = climbed.verdict.rungs
    assert [rung.index for rung in rungs] == list(range(len(rungs)))
    return [rung.name for rung in rungs]


def end_of(climbed: Climbed) -> TurningPoint:
    return climbed.verdict.begins_to_overfit.trained_to_the_end


def lines(diary: Path) -> int:
    return len(diary.read_text().splitlines())


# Which rung


@pytest.mark.parametrize(
    ("lowest", "below"),
    [
        (RungConfig("a", lstm=[8]), RungConfig("LSTM 4", lstm=[4])),
        (RungConfig("a", lstm=[5]), RungConfig("LSTM 2", lstm=[2])),
        (RungConfig("a", lstm=[2]), RungConfig("LSTM 1", lstm=[1])),
        (RungConfig("a", lstm=[1]), None),
        (RungConfig("a", lstm=[16, 8, 4]), RungConfig("LSTM 16 + 8", lstm=[16, 8])),
        (RungConfig("a", lstm=[16, 8], dense=[4]), RungConfig("LSTM 16 + 8", lstm=[16, 8])),
        (
            RungConfig("a", lstm=[16], dense=[12, 8], dense_dropout=[0.1, 0.2]),
            RungConfig("LSTM 16 + Dense 12", lstm=[16], dense=[12], dense_dropout=[0.1]),
        ),
    ],
)
def test_the_next_smaller_rung(lowest, below):
    assert rung_below([lowest], known=[lowest]) == below


def test_what_is_climbed_already_is_passed_over_and_a_known_rung_lends_its_name():
    eight, four = RungConfig("LSTM 8", lstm=[8]), RungConfig("four", lstm=[4])
    assert rung_below([eight, four], known=[eight, four]) == RungConfig("LSTM 2", lstm=[2])
    assert rung_below([eight], known=[eight, four]) == four
    remedy = RungConfig("four", lstm=[4], role="remedy")
    assert rung_below([eight], known=[eight, remedy]) == RungConfig("LSTM 4", lstm=[4])


def test_a_name_that_is_taken_is_not_given_twice():
    eight, other = RungConfig("LSTM 8", lstm=[8]), RungConfig("LSTM 4", lstm=[4], dense=[2])
    added = rung_below([eight], known=[eight, other])
    assert added == RungConfig("LSTM 4 (added)", lstm=[4])
    second = RungConfig("LSTM 4 (added)", lstm=[64])
    assert rung_below([eight, second], known=[eight, other]).name == "LSTM 4 (added 2)"


# When


def test_none_is_added_where_the_lowest_does_not_overfit(planted, diary):
    climbed = look(planted({**ALL, "LSTM 8": 0.0}, SIZE))
    assert names(climbed) == RUNGS
    assert (end_of(climbed).rung, end_of(climbed).bound) == ("LSTM 32", "exact")
    assert lines(diary) == REPEATS * len(RUNGS)


def test_none_is_added_where_that_is_switched_off(planted):
    climbed = look(planted(ALL, SIZE, "ladder.extend=false"))
    assert names(climbed) == RUNGS
    assert end_of(climbed).bound == "at_or_below"
    assert "smaller rungs must be added" in climbed.verdict.answer


def test_two_are_added_and_paired_with_the_rest(planted):
    climbed = look(planted({**ALL, "LSTM 4": 0.7, "LSTM 2": 0.0}, SIZE))
    assert names(climbed) == ["LSTM 2", "LSTM 4", *RUNGS]
    assert (end_of(climbed).rung, end_of(climbed).index, end_of(climbed).bound) == ("LSTM 4", 1, "exact")
    assert len({spec.key for spec in climbed.study.fits}) == REPEATS * 5
    assert len({(spec.split.repeat, spec.split.key, spec.seed) for spec in climbed.study.fits}) == REPEATS


def test_when_nothing_smaller_is_left_that_is_said(planted, diary):
    climbed = look(planted({**ALL, "LSTM 4": 0.7, "LSTM 2": 0.7, "LSTM 1": 0.7}, SIZE))
    assert names(climbed) == ["LSTM 1", "LSTM 2", "LSTM 4", *RUNGS]
    end = end_of(climbed)
    assert (end.rung, end.bound, end.established) == ("LSTM 1", "at_or_below", True)
    for text in (end.reason, climbed.verdict.answer):
        assert "no smaller rung can be built" in text
        assert "must be added" not in text
    assert lines(diary) == REPEATS * 6


def test_one_that_is_open_ends_the_adding(planted):
    """Only a rung that was shown to overfit has another one added below it."""
    climbed = look(planted({**ALL, "LSTM 4": [0.3, -0.2] * 2}, SIZE))
    assert names(climbed) == ["LSTM 4", *RUNGS]
    assert (end_of(climbed).rung, end_of(climbed).established) == ("LSTM 8", False)


def test_a_rung_that_only_leaves_out_is_added_under_its_name(planted, diary):
    rises = {"LSTM 32": 0.7, "LSTM 16": 0.7, "LSTM 8": 0.0}
    climbed = look(planted(rises, SIZE, "ladder.only=[LSTM 32]"))
    assert names(climbed) == ["LSTM 8", "LSTM 16", "LSTM 32"]
    assert end_of(climbed).rung == "LSTM 16"
    before = lines(diary)
    look(planted(rises, SIZE, "ladder.only=[LSTM 8]"))
    assert lines(diary) == before  # the same architecture, splits and seeds: the same fits


def test_looks_keep_an_added_rung(planted, diary):
    """Added at the first look and open there, it is fitted for the second as every other rung is."""
    rises = {**ALL, "LSTM 4": [0.4, 1.0, 0.4, 1.0, *[0.7] * 8], "LSTM 2": 0.0}
    climbed = look(planted(rises, "ladder.repeats={min:4,max:12}"))
    assert names(climbed) == ["LSTM 2", "LSTM 4", *RUNGS]
    assert [each["established"] for each in climbed.looks] == [False, True, None]
    assert end_of(climbed).rung == "LSTM 4"
    assert {rung.repeats for rung in climbed.verdict.rungs} == {8}
    assert lines(diary) == 8 * 5


# Where


def test_an_added_rung_stands_wherever_rungs_do_and_a_rerun_adds_the_same(planted, tmp_path, diary, capsys):
    config, output = planted({**ALL, "LSTM 4": 0.0}, SIZE), tmp_path / "out"
    document = climb_ladder(config, output, fit=fakes.fake_fit).document
    text = "Even LSTM 8, the lowest rung, overfits: LSTM 4 is added below it, 4 fits, about "
    assert text in capsys.readouterr().out
    rungs = ["LSTM 4", *RUNGS]
    assert [(rung["name"], rung["index"]) for rung in document["rungs"]] == [(n, i) for i, n in enumerate(rungs)]
    end = document["begins_to_overfit"]["trained_to_the_end"]
    assert (end["rung"], end["index"], end["bound"], end["established"]) == ("LSTM 8", 1, "exact", True)
    assert document["rungs"][0]["trainable_parameters"] == 4 * 4 * (40 + 4 + 1) + 3 * (4 + 1)
    record = read_record(output / "curves.csv.gz")
    assert [rung.name for rung in record.order] == rungs
    assert [curves.repeat for curves in record.curves["LSTM 4"]] == list(range(REPEATS))
    assert [panel.get_title() for panel in ladder_figure(record.curves, document).axes[:4]] == rungs
    assert climb_ladder(config, tmp_path / "again", fit=fakes.fake_fit).document == document
    assert lines(diary) == REPEATS * len(rungs)
    assert_view_is_whole(config.tracking.uri, repeats=REPEATS, epochs=EPOCHS, rungs=len(rungs))
    shown = {
        run.data.tags["rung"]: int(run.data.tags["index"]) for run in by_level(runs_of(config.tracking.uri), "rung")
    }
    assert shown == {name: index for index, name in enumerate(rungs)}


def test_sigkill_around_additions(planted, tmp_path):
    """Right before the first rung is added, right after it, and after the second one."""
    rises = {**ALL, "LSTM 4": 0.7, "LSTM 2": 0.0}
    runs, environment = Path(planted(rises).runs_dir), {fakes.RISES: json.dumps(rises)}
    calm = tmp_path / "calm" / "runs"
    shutil.copytree(runs, calm)
    finish(calm, environment)
    for fits in (11, 12, 16):
        moment = Moment("os.rename fits/.", fits - count(runs), marked=True)
        driver = start_driver(runs, SIZE, kill_at=moment, environment=environment)
        driver.join(120)
        assert driver.exitcode == -signal.SIGKILL, said(runs)
        assert count(runs) == fits
    finish(runs, environment)
    assert document_of(runs) == document_of(calm)
    assert [rung["name"] for rung in document_of(runs)["rungs"]] == ["LSTM 2", "LSTM 4", *RUNGS]
    assert_view_is_whole(f"sqlite:///{runs}/mlflow.db", repeats=REPEATS, epochs=EPOCHS, rungs=5)


def count(runs: Path) -> int:
    return len(list(runs.glob("fits/[!.]*/fit.json")))


def finish(runs: Path, environment: dict[str, str]) -> None:
    driver = start_driver(runs, SIZE, environment=environment)
    driver.join(120)
    assert driver.exitcode == 0, said(runs)


def document_of(runs: Path) -> dict:
    return without_root(json.loads(verdict_path(runs).read_text()))
