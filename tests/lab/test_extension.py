"""Rungs that are added below a lowest one that overfits: when, which, and where they are seen."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import numpy as np
import pytest

from rfcx_lab.config import Config, RungConfig
from rfcx_lab.lab.extension import rung_below
from rfcx_lab.lab.ladder import climb_ladder
from rfcx_lab.verdict.record import read_record
from tests import fakes
from tests.lab.driver import EPOCHS, Moment, said, start_driver, verdict_path
from tests.lab.outcome import RUNGS, assert_view_is_whole, by_level, runs_of, without_root

REPEATS = 4
SIZE = (f"training.epochs={EPOCHS}", "split.test_fraction=0.3", f"ladder.repeats={REPEATS}")
ALL = {"LSTM 8": 0.7, "LSTM 32": 0.7, "+ Dense 48": 0.7}


@pytest.fixture
def planted(monkeypatch, toy_config):
    """A config, under fits whose rises are planted."""

    def make(rises: dict, *overrides: str) -> Config:
        monkeypatch.setenv(fakes.RISES, json.dumps(rises))
        return toy_config(*SIZE, *overrides)

    return make


def climb(config: Config, output: Path) -> dict:
    return climb_ladder(config, output, fit=fakes.fake_fit).document


def names(document: dict) -> list[str]:
    assert [rung["index"] for rung in document["rungs"]] == list(range(len(document["rungs"])))
    return [rung["name"] for rung in document["rungs"]]


def end_of(document: dict) -> dict:
    return document["begins_to_overfit"]["trained_to_the_end"]


def fitted(diary: Path) -> int:
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


def test_none_is_added_where_the_lowest_does_not_overfit(planted, tmp_path, diary):
    document = climb(planted({**ALL, "LSTM 8": 0.0}), tmp_path / "out")
    assert names(document) == RUNGS
    assert (end_of(document)["rung"], end_of(document)["bound"]) == ("LSTM 32", "exact")
    assert fitted(diary) == REPEATS * len(RUNGS)


def test_none_is_added_where_that_is_switched_off(planted, tmp_path):
    document = climb(planted(ALL, "ladder.extend=false"), tmp_path / "out")
    assert names(document) == RUNGS
    assert end_of(document)["bound"] == "at_or_below"
    assert "smaller rungs must be added" in document["answer"]


def test_one_is_added_and_stands_wherever_rungs_do(planted, tmp_path, diary, capsys):
    config, output = planted({**ALL, "LSTM 4": 0.0}), tmp_path / "out"
    document = climb(config, output)
    assert names(document) == ["LSTM 4", *RUNGS]
    end = end_of(document)
    assert (end["rung"], end["index"], end["bound"], end["established"]) == ("LSTM 8", 1, "exact", True)
    assert fitted(diary) == REPEATS * (len(RUNGS) + 1)
    parameters = [rung["trainable_parameters"] for rung in document["rungs"]]
    assert parameters == sorted(parameters)
    assert parameters[0] == 4 * 4 * (40 + 4 + 1) + 3 * (4 + 1)
    record = read_record(output / "curves.csv.gz")
    assert [rung.name for rung in record.order] == ["LSTM 4", *RUNGS]
    assert [curves.repeat for curves in record.curves["LSTM 4"]] == list(range(REPEATS))
    assert "Even LSTM 8, the lowest rung, overfits: LSTM 4 is added below it, 4 fits, about " in capsys.readouterr().out
    assert_view_is_whole(config.tracking.uri, repeats=REPEATS, epochs=EPOCHS, rungs=len(RUNGS) + 1)
    shown = {run.data.tags["rung"]: run.data.tags["index"] for run in by_level(runs_of(config.tracking.uri), "rung")}
    assert shown == {"LSTM 4": "0", "LSTM 8": "1", "LSTM 32": "2", "+ Dense 48": "3"}


def test_the_figure_has_a_panel_for_an_added_rung(planted, tmp_path):
    from matplotlib.image import imread

    plain = climb_ladder(planted({**ALL, "LSTM 8": 0.0}), tmp_path / "one", fit=fakes.fake_fit)
    added = climb_ladder(planted({**ALL, "LSTM 4": 0.0}, "seed=1"), tmp_path / "two", fit=fakes.fake_fit)
    pictures = [imread(next(p for p in climb.files if p.name == "ladder.png")) for climb in (plain, added)]
    assert pictures[1].shape[1] > pictures[0].shape[1]
    assert np.unique(pictures[1].reshape(-1, pictures[1].shape[2]), axis=0).shape[0] > 50


def test_two_are_added_and_paired_with_the_rest(planted, tmp_path):
    config = planted({**ALL, "LSTM 4": 0.7, "LSTM 2": 0.0})
    document = climb(config, tmp_path / "out")
    assert names(document) == ["LSTM 2", "LSTM 4", *RUNGS]
    assert (end_of(document)["rung"], end_of(document)["bound"]) == ("LSTM 4", "exact")
    tags = [run.data.tags for run in by_level(runs_of(config.tracking.uri), "fit")]
    assert len({(tag["repeat"], tag["seed"]) for tag in tags}) == REPEATS
    assert len({tag["run_key"] for tag in tags}) == len(tags) == REPEATS * 5


def test_when_nothing_smaller_is_left_that_is_said(planted, tmp_path, diary):
    document = climb(planted({**ALL, "LSTM 4": 0.7, "LSTM 2": 0.7, "LSTM 1": 0.7}), tmp_path / "out")
    assert names(document) == ["LSTM 1", "LSTM 2", "LSTM 4", *RUNGS]
    end = end_of(document)
    assert (end["rung"], end["bound"], end["established"]) == ("LSTM 1", "at_or_below", True)
    assert "no smaller rung can be built" in end["reason"]
    assert "no smaller rung can be built" in document["answer"]
    assert "must be added" not in document["answer"] + end["reason"]
    assert fitted(diary) == REPEATS * 6


def test_one_that_is_open_ends_the_adding(planted, tmp_path):
    """Only a rung that was shown to overfit has another one added below it."""
    document = climb(planted({**ALL, "LSTM 4": [0.3, -0.2] * 2}), tmp_path / "out")
    assert names(document) == ["LSTM 4", *RUNGS]
    assert (end_of(document)["rung"], end_of(document)["established"]) == ("LSTM 8", False)


def test_a_rung_that_only_leaves_out_is_added_under_its_name(planted, tmp_path, diary):
    rises = {"LSTM 32": 0.7, "LSTM 16": 0.7, "LSTM 8": 0.0}
    document = climb(planted(rises, "ladder.only=[LSTM 32]"), tmp_path / "out")
    assert names(document) == ["LSTM 8", "LSTM 16", "LSTM 32"]
    assert end_of(document)["rung"] == "LSTM 16"
    before = fitted(diary)
    climb(planted(rises, "ladder.only=[LSTM 8]"), tmp_path / "again")
    assert fitted(diary) == before  # the same architecture, splits and seeds: the same fits


def test_looks_keep_an_added_rung(planted, tmp_path, diary):
    """Added at the first look and open there, it is fitted for the second as every other rung is."""
    rises = {**ALL, "LSTM 4": [0.4, 1.0, 0.4, 1.0, *[0.7] * 8], "LSTM 2": 0.0}
    config = planted(rises, "ladder.repeats={min:4,max:12}")
    document = climb(config, tmp_path / "out")
    assert names(document) == ["LSTM 2", "LSTM 4", *RUNGS]
    assert [look["established"] for look in document["looks"]] == [False, True, None]
    assert end_of(document)["rung"] == "LSTM 4"
    assert {rung["repeats"] for rung in document["rungs"]} == {8}
    assert fitted(diary) == 8 * 5
    assert_view_is_whole(config.tracking.uri, repeats=8, epochs=EPOCHS, rungs=5)


# Again


def test_a_rerun_adds_the_same_and_doubles_nothing(planted, tmp_path, diary):
    config = planted({**ALL, "LSTM 4": 0.0})
    first = climb(config, tmp_path / "one")
    before = fitted(diary)
    assert climb(config, tmp_path / "two") == first
    assert fitted(diary) == before
    assert_view_is_whole(config.tracking.uri, repeats=REPEATS, epochs=EPOCHS, rungs=len(RUNGS) + 1)


def test_sigkill_around_an_addition(planted, tmp_path):
    rises = {**ALL, "LSTM 4": 0.7, "LSTM 2": 0.0}
    environment = {fakes.RISES: json.dumps(rises)}
    size = f"ladder.repeats={REPEATS}"
    calm, runs, killed = tmp_path / "calm", tmp_path / "runs", 0
    finish(calm, size, environment)
    for fits in (11, 12, 14, 16, 19, 20):
        there = len(list(runs.glob("fits/[!.]*/fit.json")))
        driver = start_driver(runs, size, kill_at=Moment("os.rename fits/.", fits - there), environment=environment)
        driver.join(120)
        killed += driver.exitcode == -signal.SIGKILL
    assert killed >= 4
    finish(runs, size, environment)
    assert document_of(runs) == document_of(calm)
    assert names(document_of(runs)) == ["LSTM 2", "LSTM 4", *RUNGS]
    assert_view_is_whole(f"sqlite:///{runs}/mlflow.db", repeats=REPEATS, epochs=EPOCHS, rungs=5)


def finish(runs: Path, size: str, environment: dict[str, str]) -> None:
    driver = start_driver(runs, size, environment=environment)
    driver.join(120)
    assert driver.exitcode == 0, said(runs)


def document_of(runs: Path) -> dict:
    return without_root(json.loads(verdict_path(runs).read_text()))
