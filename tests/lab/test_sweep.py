"""A sweep from end to end, with fits that take no time and whose frontier is known."""

from __future__ import annotations

import json
import random
import re
import shlex
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import optuna
import pytest
from mlflow import MlflowClient
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from optuna_dashboard import get_note

from rfcx_lab.config import Config
from rfcx_lab.errors import LabError
from rfcx_lab.lab import work
from rfcx_lab.lab.claims import Claims
from rfcx_lab.lab.fits import FitStore
from rfcx_lab.lab.ladder import climb_ladder
from rfcx_lab.lab.search import Search
from rfcx_lab.lab.sweep import Swept, run_sweep
from rfcx_lab.lab.sweep_plan import plan_sweep
from rfcx_lab.lab.tracking_store import ready_store
from rfcx_lab.lab.trial_store import open_study
from rfcx_lab.report.notes import set_out
from tests import fakes
from tests.conftest import TOY, compose_config
from tests.lab.driver import Moment, done, said, start_driver
from tests.lab.outcome import by_level, runs_of

EPOCHS, REPEATS = 14, 2
SIZE = (
    "kind=sweep",
    f"training.epochs={EPOCHS}",
    f"sweep.repeats={REPEATS}",
    "split.test_fraction=0.3",
    "sweep.space.lstm_width.values=[4,16,64]",
    "sweep.space.dense_layers.values=[0,3]",
)
CELLS = 6


@pytest.fixture(scope="module")
def ground(tmp_path_factory) -> Path:
    """What every sweep here begins with: sounds, features, MLflow's empty tables."""
    runs = tmp_path_factory.mktemp("ground") / "runs"
    plan_sweep(compose_config(*TOY, *SIZE, "engine=inline", f"runs_dir={runs}"))
    (runs / "mlflow.db").unlink()  # it names an experiment's folder
    with ready_store(f"sqlite:///{runs}/mlflow.db", fill=lambda uri: MlflowClient(tracking_uri=uri).search_runs(["0"])):
        return runs


@pytest.fixture
def make_config(ground, toy_config, tmp_path) -> Callable[..., Config]:
    """A small sweep; further overrides as arguments."""
    shutil.copytree(ground, tmp_path / "runs")
    return lambda *overrides: toy_config(*SIZE, *overrides)


@pytest.fixture
def config(make_config) -> Config:
    return make_config()


def sweep(config: Config, output: Path, fit=fakes.fit_with_frontier) -> Swept:
    return run_sweep(config, output, fit=fit)


def study_of(path: str, name: str = "smoke") -> optuna.Study:
    storage = RDBStorage(path) if "://" in path else JournalStorage(JournalFileBackend(path))
    return optuna.load_study(study_name=name, storage=storage)


def trials_of(path: str) -> list[tuple]:
    """What must not hang on an interruption."""
    return [
        (t.number, t.state, t.params, t.value, t.user_attrs["margins"], t.user_attrs["repeats"])
        for t in study_of(path).trials
    ]


def begun(diary: Path) -> int:
    return len(diary.read_text().splitlines())


def test_the_frontier_that_was_planted_is_found_with_fewer_trials_than_a_grid(make_config, tmp_path):
    space = ("sweep.space.lstm_width.values=[4,8,16,32,64,128]", "sweep.space.dense_layers.values=[0,1,2,3]")
    config = make_config(*space, "sweep.repeats=3")
    document = sweep(config, tmp_path / "out").document
    assert document["status"] == "found"
    assert len(document["trials"]) <= config.sweep.n_trials < len(document["architectures"]) == 24
    for cell in document["architectures"]:
        beyond = fakes.beyond_frontier(cell["values"]["lstm_width"], cell["values"]["dense_layers"])
        if abs(beyond) > 1:  # of a doubling
            assert (cell["overfit_probability"] > 0.5) == (beyond > 0), cell["name"]
    values = [crossing["value"] for crossing in document["crossings"]]
    assert all(a > b for a, b in pairwise(values))
    assert document["answer"].startswith("Models of these data, trained for 14 epochs, begin to overfit with no dense")


@pytest.fixture(scope="module")
def swept(ground, tmp_path_factory) -> tuple[Config, dict]:
    """A sweep that is over, for several tests to look at."""
    runs = tmp_path_factory.mktemp("swept") / "runs"
    shutil.copytree(ground, runs)
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


def test_a_fit_known_from_a_ladder_is_not_repeated(make_config, tmp_path, diary):
    ladder = ("ladder.rungs=[{name: a, lstm: [4]}, {name: b, lstm: [64], dense: [64, 64, 64]}]", "ladder.repeats=2")
    climb_ladder(
        make_config("kind=ladder", "name=first", *ladder, "ladder.only=[]", "ladder.extend=false"),
        tmp_path / "ladder",
        fit=fakes.fit_with_frontier,
    )
    known = begun(diary)
    assert known == 2 * REPEATS
    document = sweep(make_config("sweep.sampler=grid"), tmp_path / "out").document
    assert len(document["trials"]) == CELLS
    assert begun(diary) == CELLS * REPEATS


def test_a_rerun_adds_only_what_is_missing(make_config, tmp_path, diary):
    few = make_config("sweep.sampler=random", "sweep.n_trials=2")
    sweep(few, tmp_path / "one")
    assert begun(diary) == 2 * REPEATS
    before, ids = trials_of(few.sweep.storage), {run.info.run_id for run in runs_of(few.tracking.uri)}
    again = sweep(few, tmp_path / "two").document
    assert again == json.loads((tmp_path / "one" / "frontier.json").read_text())
    assert begun(diary) == 2 * REPEATS
    assert {run.info.run_id for run in runs_of(few.tracking.uri)} == ids
    sweep(make_config("sweep.sampler=random", "sweep.n_trials=5", "sweep.at_once=4"), tmp_path / "three")
    after = trials_of(few.sweep.storage)
    assert after[:2] == before
    assert len(after) == 5
    assert begun(diary) == 5 * REPEATS


def test_a_fit_that_failed_stays_counted_in_a_rerun(make_config, tmp_path):
    config = make_config("sweep.sampler=grid", "sweep.repeats=3")
    seeds: list[int] = []

    def fit(rung, **options):
        seeds.append(options["seed"])
        if options["seed"] == seeds[0] and len(rung.dense) == 3:
            raise MemoryError("no room")
        return fakes.fit_with_frontier(rung, **options)

    first = sweep(config, tmp_path / "one", fit=fit).document
    again = sweep(config, tmp_path / "two", fit=fit).document
    assert again == first
    failed = [cell["observed"] for cell in again["architectures"] if cell["values"]["dense_layers"] == 3]
    assert [(seen["repeats"], seen["left_out"]) for seen in failed] == [(3, 1)] * 3


def test_the_study_tells_in_mlflow_what_is_recommended_and_what_to_run_next(ground, tmp_path):
    shutil.copytree(ground, tmp_path / "runs")
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


def test_the_study_is_shown_by_one_driver_at_a_time(make_config, tmp_path, monkeypatch):
    inside: list[bool] = []
    shown: list[bool] = []

    @contextmanager
    def alone(self):
        inside.append(True)
        yield
        inside.pop()

    monkeypatch.setattr(Claims, "alone", alone)
    monkeypatch.setattr(Search, "show", lambda self, document, *, figures: shown.append(bool(inside)))
    sweep(make_config("sweep.n_trials=2"), tmp_path / "out")
    assert shown == [True]


def test_an_architecture_that_comes_again_is_fitted_over_other_repeats(make_config, tmp_path, diary):
    space = ("sweep.space.lstm_width.values=[16,32]", "sweep.space.dense_layers.values=[0]")
    config = make_config(*space, "sweep.sampler=tpe", "sweep.n_trials=5")
    document = sweep(config, tmp_path / "out").document
    for cell in document["architectures"]:
        own = [trial["repeats"] for trial in document["trials"] if trial["number"] in cell["trials"]]
        assert sorted(r for some in own for r in some) == list(range(REPEATS * len(own)))
        if own:
            assert cell["observed"]["repeats"] == REPEATS * len(own)
    assert begun(diary) == len(set(diary.read_text().splitlines())) == 5 * REPEATS


def test_a_database_in_the_place_of_the_file(make_config, tmp_path):
    url = f"sqlite:///{tmp_path / 'optuna.db'}"
    config = make_config(f"sweep.storage={url}")
    document = sweep(config, tmp_path / "out").document
    assert [trial[3] for trial in trials_of(url)] == [trial["value"] for trial in document["trials"]]


def test_the_dashboard_finds_the_frontier_and_the_way_to_every_trial_s_fits(swept):
    config, document = swept
    study = study_of(config.sweep.storage)
    assert get_note(study).startswith("\n\n".join(set_out(document["answer"])))
    assert "*Hyperparameter Importance* says what the lowest validation loss depends on" in get_note(study)
    attributes = study._storage.get_study_system_attrs(study._study_id)
    pieces = sorted(key for key in attributes if key.startswith("dashboard:plot_data:frontier:"))
    plot = json.loads("".join(attributes[key] for key in sorted(pieces, key=lambda key: int(key.split(":")[-1]))))
    assert plot["data"][1]["name"] == "frontier"
    notes = [value for value in attributes.values() if "Its fits in MLflow" in str(value)]
    assert len(notes) == len(study.trials)
    for trial in study.trials:
        assert sum(f"/runs/{trial.user_attrs['mlflow_run']}?" in note for note in notes) == 1


# What has learnt nothing, and the test part


def fit_that_learns_shallow(rung, **options):
    """With three dense layers the loss drifts up from the first epoch on, by more than any margin."""
    fit = fakes.fit_with_frontier(rung, **options)
    if len(rung.dense) == 3:
        fit.epochs = [replace(epoch, val_loss=1.1 + 0.05 * n) for n, epoch in enumerate(fit.epochs)]
        fit.best_epoch = 1
    fit.best_model = np.random.default_rng([options["seed"], rung.lstm[0]]).bytes(64)
    return fit


@pytest.fixture(scope="module")
def shallow(ground, tmp_path_factory) -> tuple[Config, dict]:
    """A sweep in which half of the architectures learn nothing."""
    runs = tmp_path_factory.mktemp("shallow") / "runs"
    shutil.copytree(ground, runs)
    config = compose_config(*TOY, *SIZE, "engine=inline", f"runs_dir={runs}", "sweep.sampler=grid")
    with pytest.MonkeyPatch.context() as patch:
        fakes.predict_by_fakes(patch)
        return config, sweep(config, runs / "out", fit=fit_that_learns_shallow).document


def test_a_loss_that_drifts_up_without_anything_learnt_is_no_overfitting(shallow):
    config, document = shallow
    by_layers = {n: [c for c in document["architectures"] if c["values"]["dense_layers"] == n] for n in (0, 3)}
    assert [cell["learnt"] for cell in by_layers[0] + by_layers[3]] == [True] * 3 + [False] * 3
    assert not any(cell["in_doubt"] for cell in by_layers[3])
    assert [crossing["status"] for crossing in document["crossings"]][1] == "not_learnt"
    trials = [trial for trial in document["trials"] if trial["values"]["dense_layers"] == 3]
    assert len(trials) == 3
    for trial in trials:
        assert trial["state"] == "complete" and trial["margins"] is None and not trial["learnt"]
        assert "learnt nothing" in trial["reason"] and trial["statuses"] == {"not_learning": REPEATS}
        assert trial["value"] == pytest.approx(1.1)
    assert "with 3 dense layers nowhere, as none of these models has learnt anything" in document["answer"]
    assert "3 architectures have learnt nothing" in document["answer"]
    assert document["recommended"]["values"]["dense_layers"] == 0
    assert {t.state for t in study_of(config.sweep.storage).trials} == {TrialState.COMPLETE}


def test_where_nothing_learns_at_all_it_is_said_with_a_remedy(make_config, tmp_path):
    space = ("sweep.space.lstm_width.values=[4,16]", "sweep.space.dense_layers.values=[3]")
    with pytest.raises(LabError, match=r"none of the architectures .* has learnt anything .* training\.epochs\.$"):
        sweep(make_config(*space), tmp_path / "out", fit=fit_that_learns_shallow)


def test_the_recommended_architecture_is_measured_on_the_test_part_as_a_ladder_does_it(shallow, tmp_path, monkeypatch):
    config, document = shallow
    test, chosen = document["test"], document["recommended"]
    assert (test["rung"], test["repeats"]) == (chosen["architecture"], REPEATS)
    store, plan = FitStore(Path(config.runs_dir) / "fits"), plan_sweep(config)
    for cell in plan.space.cells:
        specs = plan.specs(plan.rung(cell), range(REPEATS))
        kept = [store.held_out(store.serving(spec) or spec) for spec in specs]
        assert all(kept) == any(kept) == (cell == chosen["values"])  # and no other one
        if all(kept):
            assert test["loss"][0] == pytest.approx(np.mean([each.loss for each in kept]))
            assert test["accuracy"][0] == pytest.approx(np.mean([each.accuracy for each in kept]))
            assert test["rows"] == len(kept[0].probabilities)
    [study] = by_level(runs_of(config.tracking.uri), "study")
    assert study.data.tags["model"].startswith(f"{chosen['architecture']}, repeat ")
    client = MlflowClient(tracking_uri=config.tracking.uri)
    assert [file.path for file in client.list_artifacts(study.info.run_id, "model")] == ["model/best.keras"]
    version = client.get_model_version_by_alias(f"rfcx_lab-{config.name}", "recommended")
    assert version.tags["rung"].endswith(f": {chosen['architecture']}")  # as its trial is shown

    rung = {"name": "a", "lstm": [chosen["values"]["lstm_width"]]}
    ladder = (f"ladder.rungs=[{{name: a, lstm: {rung['lstm']}}}]", f"ladder.repeats={REPEATS}", "ladder.extend=false")
    monkeypatch.setattr(work, "predict", None)  # what is kept is not predicted again
    own = compose_config(*TOY, *SIZE, "kind=ladder", "engine=inline", f"runs_dir={config.runs_dir}", "ladder.only=[]",
                         "name=ladder", *ladder)  # fmt: skip
    climbed = climb_ladder(own, tmp_path / "ladder", fit=fit_that_learns_shallow).document
    assert {**climbed["test"], "rung": ""} == {**test, "rung": ""}


def test_a_sweep_without_a_model_at_hand_has_no_figures_of_the_test_part(swept):
    assert swept[1]["test"] is None


def test_the_axes_share_the_margin_s_variance(swept):
    _, document = swept
    assert set(document["importance"]) == {"lstm_width", "dense_layers"}
    for middle, low, high in document["importance"].values():
        assert 0 <= low < middle < high <= 1
    assert document["importance"]["lstm_width"][0] > document["importance"]["dense_layers"][0]
    assert "depends most on LSTM width" in document["answer"]


# Another study


def test_a_stored_study_of_another_kind_is_fatal(make_config, tmp_path, diary):
    sweep(make_config("sweep.n_trials=2"), tmp_path / "one")
    before = begun(diary)
    with pytest.raises(LabError) as caught:
        sweep(make_config("sweep.n_trials=2", "sweep.space.lstm_width.values=[4,16,32]"), tmp_path / "two")
    assert "sweep.space.lstm_width is [4, 16, 64] there and [4, 16, 32] here" in str(caught.value)
    assert "name=smoke-2" in str(caught.value)
    with pytest.raises(LabError, match=r"training\.batch_size is \d+ there and 7 here"):
        sweep(make_config("sweep.n_trials=2", "training.batch_size=7"), tmp_path / "two")
    assert begun(diary) == before
    other = make_config("sweep.n_trials=2", "sweep.space.lstm_width.values=[4,16,32]", "name=smoke-2")
    assert sweep(other, tmp_path / "two").document["trials"]


def test_one_whose_fits_end_otherwise_can_be_gone_on_with(tmp_path):
    def refuse(name: str, **identity) -> str:
        with pytest.raises(LabError) as caught:
            open_study(str(tmp_path / "study.log"), name=name, identity=identity)
        return str(caught.value)

    whole, early = {"repeats": 3}, {"repeats": 3, "settled": {"after": 3, "clearance": 0.1}}
    for name, sweep in (("whole", whole), ("early", early)):
        open_study(str(tmp_path / "study.log"), name=name, identity={"sweep": sweep})
    told = refuse("whole", sweep=early)
    assert "to go on with it, set sweep.end_settled=false, which" in told
    assert "or run this one under a name of its own, as name=whole-2." in told
    assert "to go on with it, set sweep.end_settled=true, which" in refuse("early", sweep=whole)
    later = refuse("early", sweep={**early, "settled": {"after": 6, "clearance": 0.1}})
    assert "to go on with it, set sweep.settled.after=3; or run" in later
    never_early = {"sweep": whole, "training": {"keep": "last"}}
    for other in (refuse("whole", sweep={**early, "repeats": 4}), refuse("early", **never_early)):
        assert "to go on" not in other and "as name=" in other


def test_a_study_that_no_sweep_has_made_is_fatal(config, tmp_path):
    Path(config.sweep.storage).parent.mkdir(parents=True)
    storage = JournalStorage(JournalFileBackend(config.sweep.storage))
    optuna.create_study(study_name="smoke", storage=storage).ask()
    with pytest.raises(LabError, match=r"a study smoke that no sweep has made; .* name=smoke-2\.$"):
        sweep(config, tmp_path / "out")


@pytest.mark.parametrize("content", [b"no journal\n", b'{"a": 1}\n', b"\xff\xfe\n", b"no end"])
def test_a_file_that_is_no_journal_is_said_and_left_alone(content, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(LabError, match=rf"^sweep\.storage={re.escape(str(path))} can't be used .*\.$"):
        open_study(str(path), name="x", identity={})
    assert path.read_bytes() == content


def test_a_database_that_is_not_there_is_said_without_its_password():
    with pytest.raises(LabError, match=r"sweep\.storage=postgresql://…@127\.0\.0\.1:1/x can't be used") as caught:
        open_study("postgresql://me:secret@127.0.0.1:1/x", name="x", identity={})
    assert "secret" not in str(caught.value)


def test_a_database_that_is_not_there_is_said_before_features_are_computed(toy_config, tmp_path, capsys):
    config = toy_config(*SIZE, "sweep.storage=postgres://me:secret@127.0.0.1:1/x")
    with pytest.raises(
        LabError, match=r"sweep\.storage=postgres://…@127\.0\.0\.1:1/x can't be used \(.*refused"
    ) as caught:
        sweep(config, tmp_path / "out")
    assert "secret" not in str(caught.value) + capsys.readouterr().out
    assert not (Path(config.runs_dir) / "features").exists()


@pytest.mark.parametrize("url", ["", "sqlite:///"])
def test_a_second_driver_of_a_study_in_a_file_is_refused_and_told_how_both_may_work(url, make_config, tmp_path, diary):
    """Whether it has the first one's runs_dir, or another one."""
    storage = f"{url}{tmp_path}/study"
    first, second = (make_config(f"sweep.storage={storage}") for _ in range(2))
    refusals = []

    def fit(rung, **options):
        if not refusals:
            for runs in (first.runs_dir, str(tmp_path / "other")):
                second.runs_dir = runs
                with pytest.raises(LabError) as caught:
                    sweep(second, tmp_path / "second")
                refusals.append(str(caught.value))
        return fakes.fit_with_frontier(rung, **options)

    assert sweep(first, tmp_path / "first", fit=fit).document
    both = "sweep.storage=postgresql://user:password@host/name"
    assert refusals[0].startswith(
        "This study is being run already, from the same runs_dir; wait for that run to end, or"
    )
    assert f"a runs_dir of its own and both one database, as {both}" in refusals[0]
    assert refusals[1].startswith(f"sweep.storage={storage} is in use by another driver, and a file has only one: wait")
    assert both in refusals[1]
    assert {t.state for t in study_of(storage).trials} == {TrialState.COMPLETE}


def test_a_folder_that_can_not_be_written_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LabError, match=r"can't be used"):
        open_study(str(tmp_path / "file" / "study.log"), name="x", identity={})


def test_a_line_that_was_cut_short_is_mended(config, tmp_path):
    first = sweep(config, tmp_path / "one").document
    with Path(config.sweep.storage).open("ab") as journal:
        journal.write(b'{"op_code":4,"worker_id":"x","stu')
    assert sweep(config, tmp_path / "two").document == first


# Fits that end once their verdict is settled

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


def test_fits_that_are_settled_end_early_and_change_no_side(make_config, tmp_path, counted):
    trained, fit = counted
    whole = sweep(make_config(*LONG, "sweep.end_settled=false", "name=whole"), tmp_path / "whole", fit=fit).document
    assert set(trained.values()) == {30}
    assert len(trained) == FEW * REPEATS
    assert whole["search"]["epochs"]["ended_early"] == 0
    trained.clear()
    shutil.rmtree(tmp_path / "runs" / "fits")
    config = make_config(*LONG, "sweep.end_settled=true")
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


def test_no_fit_ends_early_of_which_the_last_epoch_is_kept(make_config, tmp_path, counted):
    trained, fit = counted
    document = sweep(make_config(*LONG, "sweep.end_settled=true", "training.keep=last"), tmp_path / "out", fit=fit)
    assert set(trained.values()) == {30}
    assert document.document["search"]["epochs"]["ended_early"] == 0


def test_a_ladder_takes_nothing_that_ended_early_and_a_sweep_takes_what_is_whole(make_config, tmp_path, counted):
    trained, fit = counted
    rungs = "ladder.rungs=[{name: a, lstm: [4]}, {name: b, lstm: [4], dense: [64]}]"
    ladder = ("kind=ladder", "name=first", rungs, "ladder.repeats=2", "ladder.only=[]", "ladder.extend=false")
    sweep(make_config(*LONG, "sweep.end_settled=true"), tmp_path / "one", fit=fit)
    spent = sum(trained.values())
    climb_ladder(make_config(*LONG, *ladder, "sweep.end_settled=true"), tmp_path / "ladder", fit=fit)
    assert sum(trained.values()) - spent == 30 * REPEATS  # rung b; a had gone through all its epochs, and was there
    spent = sum(trained.values())
    other = make_config(*LONG, "sweep.end_settled=true", "sweep.settled.after=6", "name=other")
    document = sweep(other, tmp_path / "two", fit=fit).document
    taken = document["search"]["epochs"]["trained"] - (sum(trained.values()) - spent)
    assert taken == 30 * REPEATS * 3  # all but one architecture are there whole
    [known] = [t for t in document["trials"] if t["values"] == {"lstm_width": 4, "dense_layers": 1}]
    fits = by_level(runs_of(other.tracking.uri, "other"), "fit")
    kept = [run for run in fits if run.data.tags["mlflow.parentRunId"] == known["mlflow_run"]]
    assert [run.data.tags["ended_early"] for run in kept] == ["false"] * REPEATS


def test_a_study_whose_fits_went_to_their_end_is_of_another_kind(make_config, tmp_path):
    few = (*LONG, "sweep.sampler=random", "sweep.n_trials=1")
    sweep(make_config(*few, "sweep.end_settled=false"), tmp_path / "one")
    with pytest.raises(LabError, match=r"sweep\.settled\.after is absent there and \d+ here"):
        sweep(make_config(*few, "sweep.end_settled=true"), tmp_path / "two")


# Failures


def test_an_architecture_that_can_not_be_fitted_fails_its_trial_and_the_search_goes_on(make_config, tmp_path, diary):
    def fit(rung, **options):
        if rung.lstm == [64]:
            raise MemoryError
        return fakes.fit_with_frontier(rung, **options)

    config = make_config("sweep.n_trials=12")
    document = sweep(config, tmp_path / "out", fit=fit).document
    failed = [trial for trial in document["trials"] if trial["state"] == "failed"]
    assert 1 <= len(failed) <= 2
    assert all(trial["values"]["lstm_width"] == 64 and trial["reason"] == "out of memory" for trial in failed)
    states = Counter(t.state for t in study_of(config.sweep.storage).trials)
    assert states == {TrialState.COMPLETE: len(document["trials"]) - len(failed), TrialState.FAIL: len(failed)}
    before = begun(diary)
    assert sweep(config, tmp_path / "two", fit=fit).document["trials"] == document["trials"]
    assert begun(diary) == before


def test_every_fit_failing_is_said_and_costs_no_trial(config, tmp_path):
    def fit(rung, **options):
        raise OSError("no such device")

    with pytest.raises(LabError, match="Every fit failed, the first one because: OSError: no such device"):
        sweep(config, tmp_path / "one", fit=fit)
    asked = [(t.number, t.params) for t in study_of(config.sweep.storage).trials]
    document = sweep(config, tmp_path / "two").document
    trials = study_of(config.sweep.storage).trials
    assert [(t.number, t.params) for t in trials][: len(asked)] == asked
    assert {t.state for t in trials} == {TrialState.COMPLETE}
    assert len(document["trials"]) == len(trials)


# Killed

KILLED = (*SIZE, "sweep.n_trials=6", "sweep.confidence=0.999")


def finish(runs: Path, *overrides: str) -> None:
    """Run a driver to its end."""
    driver = start_driver(runs, *KILLED, *overrides)
    driver.join(120)
    assert driver.exitcode == 0, said(runs)


@pytest.mark.parametrize(("sampler", "epochs"), [("frontier", EPOCHS), ("tpe", 30)])
def test_sigkill_at_any_moment(sampler, epochs, ground, tmp_path):
    """Nothing stays running, every trial counts once, and all come out as if nothing had happened."""
    near = ("ladder.margin=0.01", "sweep.settled.clearance=0.01")  # of 30 epochs, some fits need not all
    chosen = (f"sweep.sampler={sampler}", f"training.epochs={epochs}", "sweep.end_settled=true", *near)
    for name in ("whole", "runs"):
        shutil.copytree(ground, tmp_path / name)
    finish(tmp_path / "whole", *chosen)
    expected = trials_of(f"{tmp_path}/whole/optuna/smoke.log")
    assert len(expected) == 6
    events, dice, killed = done(tmp_path / "whole"), random.Random(sampler), 0
    begin = next(i for i, event in enumerate(events) if "optuna/" in event)
    end = next(i for i, event in enumerate(events) if "studies/" in event)
    runs = tmp_path / "runs"
    for _ in range(5):
        moment = Moment("optuna/", dice.randrange(end - begin) // 3)  # what is done already is not done again
        driver = start_driver(runs, *KILLED, *chosen, kill_at=moment)
        driver.join(120)
        assert driver.exitcode in (0, -signal.SIGKILL), said(runs)
        killed += driver.exitcode != 0
    assert killed >= 3
    finish(runs, *chosen)
    assert trials_of(f"{runs}/optuna/smoke.log") == expected
    found = [json.loads((tmp_path / name / "studies/out/frontier.json").read_text()) for name in ("whole", "runs")]
    for document in found:
        for trial in document["trials"]:
            del trial["mlflow_run"]
        del document["data"]["root"], document["search"]["storage"]
    assert found[0] == found[1]
    assert (found[0]["search"]["epochs"]["ended_early"] > 0) == (epochs == 30)
    levels = Counter(run.data.tags["level"] for run in runs_of(f"sqlite:///{runs}/mlflow.db"))
    assert levels == {"study": 1, "rung": 6, "fit": 6 * REPEATS}
