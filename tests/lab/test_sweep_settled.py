"""A sweep's fits end once their verdict is settled; a ladder's never do."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable

import pytest

from rfcx_lab.errors import LabError
from rfcx_lab.lab.ladder import climb_ladder
from tests import fakes
from tests.lab.outcome import by_level, runs_of
from tests.lab.sweeps import REPEATS, sweep

LONG = (
    "training.epochs=30",
    "sweep.sampler=grid",
    "sweep.space.lstm_width.values=[4,16]",
    "sweep.space.dense_layers.values=[0,1]",
)
FEW = 4  # cells


@pytest.fixture
def counted() -> tuple[Counter, Callable]:
    """A fit that overfits early with a dense layer, and the epochs trained by it, per rung and seed."""
    trained: Counter = Counter()

    def fit(rung, **options):
        result = fakes.fake_fit(rung, **{**options, "on_epoch": lambda number, epoch: None})  # none is streamed
        trained[rung.name.partition(": ")[2] or rung.name, options["seed"]] += len(result.epochs)
        return result

    return trained, fit


def test_fits_that_are_settled_end_early_and_change_no_side(make_sweep_config, tmp_path, counted):
    trained, fit = counted
    whole = sweep(
        make_sweep_config(*LONG, "sweep.end_settled=false", "name=whole"), tmp_path / "whole", fit=fit
    ).document
    assert set(trained.values()) == {30}
    assert len(trained) == FEW * REPEATS
    assert whole["search"]["epochs"]["ended_early"] == 0
    trained.clear()
    shutil.rmtree(tmp_path / "runs" / "fits")
    config = make_sweep_config(*LONG, "sweep.end_settled=true")
    early = sweep(config, tmp_path / "early", fit=fit).document
    assert {epochs < 24 for (name, _), epochs in trained.items() if "Dense" in name} == {True}
    assert {epochs for (name, _), epochs in trained.items() if "Dense" not in name} == {30}
    assert early["search"]["epochs"] == {
        "trained": sum(trained.values()),
        "budget": 30 * FEW * REPEATS,
        "fits": FEW * REPEATS,
        "ended_early": FEW * REPEATS // 2,
    }
    for one, other in zip(early["trials"], whole["trials"], strict=True):
        assert (one["values"], one["statuses"], one["value"]) == (other["values"], other["statuses"], other["value"])
        for margin, at_most in zip(one["margins"], other["margins"], strict=True):
            assert (margin > 0) == (at_most > 0) == (one["values"]["dense_layers"] == 1)
            assert margin <= at_most + 1e-12
    runs = by_level(runs_of(config.tracking.uri), "fit")
    mine = [run for run in runs if "epochs" in run.data.metrics]
    assert len(mine) == FEW * REPEATS
    for run in mine:
        dense = "Dense" in run.data.tags["rung"]
        assert run.data.tags["ended_early"] == str(dense).lower()
        assert (run.data.metrics["epochs"] < 30) == dense
        record = json.loads((tmp_path / "runs/fits" / run.data.tags["run_key"] / "fit.json").read_text())
        assert record["epochs"] == run.data.metrics["epochs"]
    before = Counter(trained)
    assert sweep(config, tmp_path / "again", fit=fit).document == early
    assert trained == before


def test_no_fit_ends_early_of_which_the_last_epoch_is_kept(make_sweep_config, tmp_path, counted):
    trained, fit = counted
    document = sweep(
        make_sweep_config(*LONG, "sweep.end_settled=true", "training.keep=last"), tmp_path / "out", fit=fit
    )
    assert set(trained.values()) == {30}
    assert document.document["search"]["epochs"]["ended_early"] == 0


def test_a_ladder_takes_nothing_that_ended_early_and_a_sweep_takes_what_is_whole(make_sweep_config, tmp_path, counted):
    trained, fit = counted
    rungs = "ladder.rungs=[{name: a, lstm: [4]}, {name: b, lstm: [4], dense: [64]}]"
    ladder = ("kind=ladder", "name=first", rungs, "ladder.repeats=2", "ladder.only=[]", "ladder.extend=false")
    sweep(make_sweep_config(*LONG, "sweep.end_settled=true"), tmp_path / "one", fit=fit)
    spent = sum(trained.values())
    climb_ladder(make_sweep_config(*LONG, *ladder, "sweep.end_settled=true"), tmp_path / "ladder", fit=fit)
    assert sum(trained.values()) - spent == 30 * REPEATS  # rung b; a had gone through all its epochs, and was there
    spent = sum(trained.values())
    other = make_sweep_config(*LONG, "sweep.end_settled=true", "sweep.settled.after=6", "name=other")
    document = sweep(other, tmp_path / "two", fit=fit).document
    taken = document["search"]["epochs"]["trained"] - (sum(trained.values()) - spent)
    assert taken == 30 * REPEATS * 3  # all but one architecture are there whole
    [known] = [t for t in document["trials"] if t["values"] == {"lstm_width": 4, "dense_layers": 1}]
    fits = by_level(runs_of(other.tracking.uri, "other"), "fit")
    kept = [run for run in fits if run.data.tags["mlflow.parentRunId"] == known["mlflow_run"]]
    assert [run.data.tags["ended_early"] for run in kept] == ["false"] * REPEATS


def test_a_study_whose_fits_went_to_their_end_is_of_another_kind(make_sweep_config, tmp_path):
    few = (*LONG, "sweep.sampler=random", "sweep.n_trials=1")
    sweep(make_sweep_config(*few, "sweep.end_settled=false"), tmp_path / "one")
    with pytest.raises(LabError, match=r"sweep\.settled\.after is absent there and \d+ here"):
        sweep(make_sweep_config(*few, "sweep.end_settled=true"), tmp_path / "two")
