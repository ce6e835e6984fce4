"""Where a sweep shows what it comes to: its document, the Optuna study and MLflow."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections import Counter
from contextlib import contextmanager

import pytest
from optuna.trial import TrialState
from optuna_dashboard import get_note

from rfcx_lab.config import Config
from rfcx_lab.lab.sweep import run_sweep
from rfcx_lab.report.notes import set_out
from rfcx_lab.search.claims import Claims
from rfcx_lab.search.search import Search
from tests import fakes
from tests.conftest import TOY, compose_config
from tests.lab.outcome import by_level, runs_of
from tests.lab.sweeps import REPEATS, SIZE, study_of, sweep


@pytest.fixture(scope="module")
def swept(prepared, tmp_path_factory) -> tuple[Config, dict]:
    """A sweep that is over, for several tests to look at."""
    runs = tmp_path_factory.mktemp("swept") / "runs"
    shutil.copytree(prepared, runs)
    config = compose_config(*TOY, *SIZE, "engine=inline", f"runs_dir={runs}")
    found = sweep(config, runs / "out")
    written = {"frontier.json", "frontier.png", "frontier.svg", "curves.csv.gz", "rejected.csv", "report.html"}
    assert {path.name for path in found.files} == written
    assert found.document == json.loads((runs / "out" / "frontier.json").read_text())
    return config, found.document


def test_a_trial_shows_what_its_fits_came_to(swept):
    config, document = swept
    runs = {run.info.run_id: run for run in runs_of(config.tracking.uri)}
    trials = study_of(config.sweep.storage).trials
    assert {t.state for t in trials} == {TrialState.COMPLETE}
    for trial, described in zip(trials, document["trials"], strict=True):
        attributes = trial.user_attrs
        assert sum(attributes["statuses"].values()) == REPEATS
        assert (attributes["margin"] > 0) == (attributes["rise"] > config.ladder.margin)
        assert len(attributes["margins"]) == REPEATS
        losses = [
            run.data.metrics["loss/val_best"]
            for run in runs.values()
            if run.data.tags.get("mlflow.parentRunId") == attributes["mlflow_run"]
        ]
        assert len(losses) == REPEATS
        assert trial.value == pytest.approx(sum(losses) / REPEATS)
        assert runs[attributes["mlflow_run"]].data.metrics["loss/val_best"] == pytest.approx(trial.value)
        assert described["value"] == trial.value


def test_mlflow_shows_study_trial_fit(swept):
    config, document = swept
    runs = runs_of(config.tracking.uri)
    trials = len(document["trials"])
    counts = {"study": 1, "rung": trials, "fit": trials * REPEATS}
    assert Counter(run.data.tags["level"] for run in runs) == counts
    assert {run.info.status for run in runs} == {"FINISHED"}
    [study] = by_level(runs, "study")
    assert study.data.tags["mlflow.note.content"].startswith("\n\n".join(set_out(document["answer"])))
    assert {run.data.tags["mlflow.parentRunId"] for run in by_level(runs, "rung")} == {study.info.run_id}
    assert {run.info.run_id for run in by_level(runs, "rung")} == {t["mlflow_run"] for t in document["trials"]}


def test_the_dashboard_finds_the_frontier_and_the_way_to_every_trial_s_fits(swept):
    config, document = swept
    study = study_of(config.sweep.storage)
    assert get_note(study).startswith("\n\n".join(set_out(document["answer"])))
    assert "*Hyperparameter Importance* says what the lowest validation loss depends on" in get_note(study)
    attributes = study._storage.get_study_system_attrs(study._study_id)
    pieces = sorted(key for key in attributes if key.startswith("dashboard:plot_data:frontier:"))
    plot = json.loads("".join(attributes[key] for key in sorted(pieces, key=lambda key: int(key.split(":")[-1]))))
    assert plot["data"][1]["name"] == ("frontier" if document["established"] else "frontier, not established")
    notes = [value for value in attributes.values() if "Its fits in MLflow" in str(value)]
    assert len(notes) == len(study.trials)
    for trial in study.trials:
        assert sum(f"/runs/{trial.user_attrs['mlflow_run']}?" in note for note in notes) == 1


def test_the_axes_share_the_margin_s_variance(swept):
    _, document = swept
    assert set(document["importance"]) == {"lstm_width", "dense_layers"}
    for middle, low, high in document["importance"].values():
        assert 0 <= low < middle < high <= 1
    assert document["importance"]["lstm_width"][0] > document["importance"]["dense_layers"][0]
    assert "depends most on LSTM width" in document["answer"]


def test_a_sweep_without_a_model_at_hand_has_no_figures_of_the_test_part(swept):
    assert swept[1]["test"] is None


def test_the_study_tells_in_mlflow_what_is_recommended_and_what_to_run_next(prepared, tmp_path):
    shutil.copytree(prepared, tmp_path / "runs")
    overrides = [*TOY, *SIZE, "engine=inline", f"runs_dir={tmp_path / 'runs'}", "sweep.sampler=grid"]
    config = compose_config(*overrides)
    document = run_sweep(config, tmp_path / "out", fit=fakes.fit_with_frontier, command=overrides).document
    [study] = by_level(runs_of(config.tracking.uri), "study")
    chosen = document["recommended"]
    rises = [trial["rise"] for trial in document["trials"] if trial["values"] == chosen["values"]]
    assert study.data.metrics["loss/val_best"] == pytest.approx(chosen["val_loss_best"][0])
    assert [study.data.metrics["rise"]] == pytest.approx(rises, abs=1e-4)
    assert study.data.tags["recommended"] == chosen["architecture"]
    told = re.search(r"\*\*Next:\*\* .*?: `+ ?(.*?) ?`+$", study.data.tags["mlflow.note.content"], re.MULTILINE)
    following = compose_config(*shlex.split(told[1])[3:])
    if document["established"]:
        assert (following.kind, following.training.epochs) == ("ladder", chosen["epochs"])
    else:
        assert following.sweep.n_trials > len(document["trials"])


def test_the_study_is_shown_by_one_driver_at_a_time(make_sweep_config, tmp_path, monkeypatch):
    inside: list[bool] = []
    shown: list[bool] = []

    @contextmanager
    def alone(self):
        inside.append(True)
        yield
        inside.pop()

    monkeypatch.setattr(Claims, "alone", alone)
    monkeypatch.setattr(Search, "show", lambda self, document, *, figures: shown.append(bool(inside)))
    sweep(make_sweep_config("sweep.n_trials=2"), tmp_path / "out")
    assert shown == [True]
