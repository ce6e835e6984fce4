from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from rfcx_lab.config import Config
from rfcx_lab.errors import LabError
from rfcx_lab.lab.ladder import Climb, climb_ladder
from rfcx_lab.lab.study import prepare_study
from rfcx_lab.tracking.tracker import Tracker
from tests import fakes
from tests.lab.outcome import RUNGS, assert_view_is_whole, by_level, runs_of

EPOCHS, REPEATS = 20, 3
SIZE = ("training.epochs=20", "ladder.repeats=3", "split.test_fraction=0.3")


@pytest.fixture
def config(ready_config) -> Config:
    return ready_config(*SIZE)


def climb(config: Config, output: Path, fit=fakes.fake_fit) -> Climb:
    return climb_ladder(config, output, fit=fit)


def test_verdict_names_what_was_planted(config, tmp_path):
    found = climb(config, tmp_path / "out")
    document = json.loads((tmp_path / "out" / "verdict.json").read_text())
    assert document == found.document
    by_name = {rung["name"]: rung for rung in document["rungs"]}
    assert by_name["LSTM 32"]["statuses"] == {"not_overfit": REPEATS}
    assert by_name["+ Dense 48"]["statuses"] == {"overfit": REPEATS}
    assert by_name["+ Dense 48"]["onset_epoch"][0] == pytest.approx(fakes.TRUE_ONSET, abs=1)
    answer = document["begins_to_overfit"]["trained_to_the_end"]
    assert (answer["rung"], answer["bound"], answer["established"]) == ("+ Dense 48", "exact", True)
    assert "20 epochs" in document["answer"]
    assert document["data"]["classes"] == 3
    assert document["data"]["rejected"] == 0


def test_files_are_left_and_the_figure_is_drawn(config, tmp_path):
    files = {path.name: path for path in climb(config, tmp_path / "out").files}
    assert set(files) == {
        "verdict.json", "ladder.png", "ladder.svg", "curves.csv.gz", "rejected.csv", "report.html",
    }  # fmt: skip
    from matplotlib.image import imread

    picture = imread(files["ladder.png"])
    assert min(picture.shape[:2]) > 600
    assert np.unique(picture.reshape(-1, picture.shape[2]), axis=0).shape[0] > 50


def test_mlflow_shows_study_rung_fit(config, tmp_path):
    climb(config, tmp_path / "out")
    assert_view_is_whole(config.tracking.uri, repeats=REPEATS, epochs=EPOCHS)
    runs = runs_of(config.tracking.uri)
    ids = {run.info.run_id: run for run in runs}
    [study] = by_level(runs, "study")
    assert {r.data.tags["mlflow.parentRunId"] for r in by_level(runs, "rung")} == {study.info.run_id}
    for run in by_level(runs, "fit"):
        assert ids[run.data.tags["mlflow.parentRunId"]].data.tags["rung"] == run.data.tags["rung"]
        assert {"repeat", "seed", "status", "run_key"} <= set(run.data.tags)
        assert {"best_epoch", "loss/val_best", "loss/val_final", "gap_final", "rise"} <= set(run.data.metrics)
        assert {"lstm", "dense", "repeat", "seed"} <= set(run.data.params)
        assert ("onset_epoch" in run.data.metrics) == (run.data.tags["status"] == "overfit")
    assert study.data.params["training.epochs"] == "20"
    assert study.inputs.dataset_inputs[0].dataset.digest
    assert "begins to overfit" in study.data.tags["mlflow.note.content"]
    client = MlflowClient(tracking_uri=config.tracking.uri)
    names = {artifact.path for artifact in client.list_artifacts(study.info.run_id)}
    assert {"verdict.json", "report.html", "ladder.png", "curves.csv.gz", "environment.txt", "config.yaml"} <= names


def test_seeds_and_splits_are_paired_over_rungs(config, tmp_path):
    climb(config, tmp_path / "out")
    fits = by_level(runs_of(config.tracking.uri), "fit")
    seeds = {(run.data.tags["repeat"], run.data.tags["seed"]) for run in fits}
    assert len(seeds) == REPEATS
    assert len({run.data.tags["run_key"] for run in fits}) == len(fits)
    specs = prepare_study(config).fits
    for repeat in range(REPEATS):
        same = [spec for spec in specs if spec.split.repeat == repeat]
        assert len(same) == len(RUNGS)
        assert len({(spec.seed, spec.split.key) for spec in same}) == 1


def test_rerun_fits_nothing_and_doubles_nothing(config, tmp_path, diary):
    first = climb(config, tmp_path / "one")
    ids = {run.info.run_id for run in runs_of(config.tracking.uri)}
    again = climb(config, tmp_path / "two")
    assert len(diary.read_text().splitlines()) == REPEATS * len(RUNGS)
    assert again.document == first.document
    assert {run.info.run_id for run in runs_of(config.tracking.uri)} == ids
    assert_view_is_whole(config.tracking.uri, repeats=REPEATS, epochs=EPOCHS)


def test_more_repeats_fit_only_what_is_missing(config, toy_config, tmp_path, diary):
    climb(config, tmp_path / "one")
    climb(toy_config(*SIZE, "ladder.repeats=4"), tmp_path / "two")
    assert len(diary.read_text().splitlines()) == (REPEATS + 1) * len(RUNGS)


def test_another_seed_is_another_study(config, toy_config, tmp_path, diary):
    climb(config, tmp_path / "one")
    climb(toy_config(*SIZE, "seed=1"), tmp_path / "two")
    assert len(diary.read_text().splitlines()) == 2 * REPEATS * len(RUNGS)


def test_failing_fits_are_recorded_and_the_ladder_goes_on(config, tmp_path):
    document = climb(config, tmp_path / "out", fit=fakes.sometimes_failing_fit).document
    by_name = {rung["name"]: rung for rung in document["rungs"]}
    assert by_name["LSTM 8"]["statuses"] == {"undetermined": REPEATS}
    assert by_name["+ Dense 48"]["statuses"] == {"undetermined": REPEATS}
    assert by_name["LSTM 32"]["statuses"] == {"not_overfit": REPEATS}
    assert not document["begins_to_overfit"]["trained_to_the_end"]["established"]
    failed = [run for run in by_level(runs_of(config.tracking.uri), "fit") if run.info.status == "FAILED"]
    reasons = {run.data.tags["rung"]: run.data.tags["reason"] for run in failed}
    assert reasons == {"LSTM 8": "the loss is not finite after epoch 4", "+ Dense 48": "out of memory"}


def test_out_of_memory_is_tried_again_by_a_rerun(config, tmp_path):
    climb(config, tmp_path / "one", fit=fakes.sometimes_failing_fit)
    statuses = {r["name"]: r["statuses"] for r in climb(config, tmp_path / "two").document["rungs"]}
    assert statuses["+ Dense 48"] == {"overfit": REPEATS}
    assert statuses["LSTM 8"] == {"undetermined": REPEATS}  # a diverged loss is a result, and kept


def test_every_fit_failing_is_said(ready_config, tmp_path):
    config = ready_config(*SIZE, "ladder.only=[+ Dense 48]")
    with pytest.raises(LabError, match="Every fit failed, the first one because: out of memory"):
        climb(config, tmp_path / "out", fit=fakes.sometimes_failing_fit)
    assert {run.info.status for run in runs_of(config.tracking.uri)} == {"FAILED"}


def test_impossible_judgement_is_said_before_anything_is_trained(toy_config, tmp_path, diary):
    for override, message in (
        ("ladder.margin=-0.1", "ladder.margin=-0.1"),
        ("onset.mode=max", "onset.mode=max"),
        ("ladder.only=[+ head dropout]", "no capacity rung is left"),
        ("seed=-1", "seed=-1"),
    ):
        with pytest.raises(LabError, match=re.escape(message)):
            climb(toy_config(*SIZE, override), tmp_path / "out")
    assert not diary.read_text()


def test_a_study_that_is_being_run_is_not_run_twice(config, tmp_path, diary):
    def run_again(rung, **options):
        with pytest.raises(LabError, match="being run already"):
            climb(config, tmp_path / "second")
        return fakes.fake_fit(rung, **options)

    assert climb(config, tmp_path / "first", fit=run_again).document["rungs"]
    assert len(diary.read_text().splitlines()) == REPEATS * len(RUNGS)


def test_a_store_that_refuses_costs_no_fit_and_is_completed_by_a_rerun(config, tmp_path, diary, monkeypatch):
    def refuse(self, *args, **kwargs):
        raise OSError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr(Tracker, "finish", refuse)
        document = climb(config, tmp_path / "one").document
    assert climb(config, tmp_path / "two").document == document
    assert len(diary.read_text().splitlines()) == REPEATS * len(RUNGS)
    assert_view_is_whole(config.tracking.uri, repeats=REPEATS, epochs=EPOCHS)


def test_deleted_experiment_is_said(config, tmp_path):
    climb(config, tmp_path / "one")
    client = MlflowClient(tracking_uri=config.tracking.uri)
    client.delete_experiment(client.get_experiment_by_name("smoke").experiment_id)
    with pytest.raises(LabError, match="MLflow experiment smoke was deleted"):
        climb(config, tmp_path / "two")


def test_rung_summary_follows_a_rerun(config, tmp_path):
    """A fit that ran out of memory is made up for: MLflow shows what verdict.json says."""
    climb(config, tmp_path / "one", fit=fakes.sometimes_failing_fit)
    document = climb(config, tmp_path / "two").document
    shown = {run.data.tags["rung"]: run.data.metrics for run in by_level(runs_of(config.tracking.uri), "rung")}
    for rung in document["rungs"]:
        expected = rung["val_loss_best"]
        assert shown[rung["name"]].get("loss/val_best") == (expected and expected[0])
