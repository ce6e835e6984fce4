"""`+experiment=mended`: every step over the same repeats, what it changes, and the ladder on the last."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from itertools import pairwise

import markupsafe
import pytest
from mlflow import MlflowClient

from rfcx_lab.config import StepConfig
from rfcx_lab.errors import LabError
from rfcx_lab.lab.contract import check_document
from rfcx_lab.lab.steps import ladder_command, mend_pipeline, step_configs
from rfcx_lab.lab.study import plan_study
from rfcx_lab.report.notes import escape
from rfcx_lab.verdict import JudgeConfig, OnsetConfig
from rfcx_lab.verdict.record import read_record
from rfcx_lab.verdict.statements import split_answer
from rfcx_lab.verdict.steps import compare_steps, read_steps
from tests import fakes
from tests.conftest import TOY, compose_config
from tests.lab.outcome import by_level, runs_of

TOY_DATA = ("data=toy", *(override for override in TOY if override.startswith("data.")))
SIZE = (
    "training.epochs=12", "steps.repeats=4", "ladder.repeats=4", "ladder.extend=false", "engine=inline",
    "ladder.only=[LSTM 8,+ Dense 48,+ LSTM dropout]",
)  # fmt: skip
COMMAND = ("+experiment=mended", *TOY_DATA, *SIZE, "window.frames=60")
STEPS = (
    StepConfig("as it stands", {}),
    StepConfig("fixed", {"window": {"kind": "fixed", "seconds": 1.0, "frames": None, "padding": "end"}}),
    StepConfig("scaled", {"training": {"scaling": "train_per_coefficient"}}),
    StepConfig("evaluated", {"training": {"train_loss": "evaluated"}}),
)


def test_steps_lead_from_the_article_to_the_ladder():
    config = compose_config("+experiment=mended", "data=toy")
    article, ladder = compose_config("+experiment=article"), compose_config("+experiment=ladder")
    first, *_, last = step_configs(config)
    for section in ("window", "features", "split"):
        assert getattr(first, section) == getattr(article, section)
    assert replace(first.training, keep="last") == article.training
    for section in ("window", "features"):
        assert getattr(last, section) == getattr(ladder, section)
    assert replace(last.split, row_seed=0) == replace(ladder.split, row_seed=0)
    assert replace(last.training, epochs=0) == replace(ladder.training, epochs=0)
    [rung], top = last.ladder.rungs, article.ladder.rungs[0]
    assert replace(rung, name="") == replace(top, name="")


def test_every_step_changes_something_and_one_thing_only():
    configs = step_configs(compose_config("+experiment=mended", "data=toy"))
    assert len(configs) == 10
    sections = ("window", "features", "split", "training")
    for before, after in pairwise(configs):
        assert sum(getattr(before, s) != getattr(after, s) for s in sections) == 1


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    config = compose_config(*COMMAND, f"runs_dir={runs}")
    return replace(config, steps=replace(config.steps, steps=list(STEPS)))


@pytest.fixture(scope="module")
def mended(config, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        fakes.predict_by_fakes(patch)
        out = tmp_path_factory.mktemp("out")
        return mend_pipeline(config, out, fit=fakes.fit_that_learns_once_scaled, command=COMMAND)


def test_what_matters_is_found_and_nothing_else(mended):
    check_document(mended.document)
    steps = {step["name"]: step for step in mended.document["steps"]}
    assert [name for name, step in steps.items() if step["matters"]] == ["scaled", "evaluated"]
    loss, gap = steps["scaled"]["loss_difference"], steps["evaluated"]["gap_difference"]
    assert loss["established"]
    assert loss["change"][0] == pytest.approx(-0.66, abs=0.05)
    assert gap["established"]
    assert gap["change"][0] == pytest.approx(0.5, abs=0.02)
    assert not steps["scaled"]["gap_difference"]["established"]
    assert steps["as it stands"]["statuses"] == {"not_learning": 4}
    assert steps["as it stands"]["loss_difference"] is None
    assert all(len(step["test_accuracies"]) == 4 for step in steps.values())


def test_answer_names_what_matters_and_ends_with_the_ladder(mended):
    answer, ladder = mended.document["answer"], mended.document["ladder"]
    assert answer.index("Established to matter over 4 repeats, each on top of those before: scaled (best") > 0
    assert "Not established: fixed." in answer
    assert answer.endswith(ladder["answer"])
    names = {path.name for path in mended.files}
    assert {"mended.json", "mended.png", "mended.svg", "curves.csv.gz", "report.html", "verdict.json"} <= names


def test_verdict_follows_from_the_files(mended):
    paths = {path.name: path for path in reversed(mended.files)}
    document = json.loads(paths["mended.json"].read_text())
    record = read_record(paths["curves.csv.gz"])
    records = read_steps(document, record)
    judge = JudgeConfig(**{**document["judge"], "onset": OnsetConfig(**document["judge"]["onset"])})
    for found, step in zip(compare_steps(records, config=judge), document["steps"], strict=True):
        plain = json.loads(json.dumps(asdict(found)))
        assert plain == {key: step[key] for key in plain}


def test_figure_shows_every_step(mended):
    from rfcx_lab.report.steps_figure import steps_figure

    paths = {path.name: path for path in reversed(mended.files)}
    figure = steps_figure(read_record(paths["curves.csv.gz"]).curves, mended.document)
    labels = [axes.get_ylabel().replace("\n", " ") for axes in figure.axes]
    assert labels[:4] == [f"{i}. {step.name}" for i, step in enumerate(STEPS)]
    assert len(figure.axes) == 4 + 3


def test_page_lies_beside_the_figure_and_tells_what_to_run_next(mended):
    page = {path.name: path for path in reversed(mended.files)}["report.html"]
    text = page.read_text()
    assert page.parent == {path.name: path for path in mended.files}["mended.json"].parent
    assert (page.parent / "ladder" / "report.html").is_file()
    assert str(markupsafe.escape(mended.following.command)) in text
    assert all(f"{i}. {step.name}" in text for i, step in enumerate(STEPS))


def test_the_ladder_has_a_command_of_its_own(config):
    """With which its page can be had again, and gone on with, without the steps."""
    ladder = replace(step_configs(config)[-1], name="mended ladder", ladder=config.ladder)
    found = compose_config(*ladder_command(config, [*COMMAND, f"runs_dir={config.runs_dir}"]))
    assert replace(found, steps=ladder.steps, sweep=ladder.sweep) == ladder
    assert ladder_command(config, ()) == []


def test_one_run_stands_above_all_others(mended, config):
    runs = runs_of(config.tracking.uri, "mended")
    [series] = by_level(runs, "series")
    studies = by_level(runs, "study")
    assert len(studies) == len(STEPS) + 1
    assert {run.data.tags["mlflow.parentRunId"] for run in studies} == {series.info.run_id}
    assert "mlflow.parentRunId" not in series.data.tags
    assert (series.info.status, series.data.tags["status"]) == ("FINISHED", "2 of 3 matter")
    assert series.data.metrics == {"best_epoch": 12.0}
    client = MlflowClient(tracking_uri=config.tracking.uri)
    kept = {file.path for file in client.list_artifacts(series.info.run_id)}
    assert {"mended.json", "mended.png", "report.html", "config.yaml"} <= kept
    assert f"**{escape(split_answer(mended.document['answer'])[0])}**" in series.data.tags["mlflow.note.content"]
    note = client.get_experiment(series.info.experiment_id).tags["mlflow.note.content"]
    assert note.startswith(series.data.tags["mlflow.note.content"])


def test_a_series_that_fails_has_its_run_ended(config, tmp_path):
    def fails(*_, **__):
        raise KeyboardInterrupt

    broken = replace(config, name="broken", runs_dir=str(tmp_path), ladder=replace(config.ladder, margin=0.07))
    with pytest.raises(KeyboardInterrupt):
        mend_pipeline(broken, tmp_path / "out", fit=fails)
    [series] = [
        run for run in by_level(runs_of(config.tracking.uri, "mended"), "series") if "broken" in run.info.run_name
    ]
    assert series.info.status == "KILLED"


def test_last_step_and_ladder_share_fits_and_nothing_is_trained_anew(mended, config, tmp_path, monkeypatch):
    again = mend_pipeline(config, tmp_path, fit=None)
    assert again.document["steps"] == mended.document["steps"]
    last = plan_study(step_configs(config)[-1]).fits
    ladder = plan_study(replace(step_configs(config)[-1], ladder=config.ladder)).fits
    assert {spec.key for spec in last} < {spec.key for spec in ladder}
    # Another order: what comes before the swapped steps, and after them, is there.
    swapped = replace(config, steps=replace(config.steps, steps=[STEPS[0], STEPS[2], STEPS[1], STEPS[3]]))
    missing = [len(plan_study(one).missing()) for one in step_configs(swapped)]
    assert missing == [0, 4, 0, 0]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([], "steps.steps is empty"),
        ([StepConfig("a"), StepConfig("a")], "'a': the name stands there twice"),
        ([StepConfig("a/b")], r"steps.steps\[0\].name='a/b': must be a plain name"),
        ([StepConfig("a", {"ladder": {"repeats": 3}})], "change has ladder; a step may change window, features, split"),
        (
            [StepConfig("a", {"training": {"shufle": True}})],
            r"steps.steps\[0\], 'a': change.training has shufle, and there is no such key; the nearest is shuffle.",
        ),
        ([StepConfig("a", {"split": {"xyz": 1}})], "change.split has xyz, .*; split has group, test_fraction, "),
        ([StepConfig("a", {"training": 5})], "'a': change.training=5 must hold keys of training and their values"),
        ([StepConfig("a", {"training": {"batch_size": "many"}})], r"'a': change.training=.*many"),
        ([StepConfig("a", {"features": {"n_fft": -1}})], r"'a': features.n_fft=-1: must be above 0"),
        ([StepConfig("a", "shuffle")], "'a': change=shuffle must hold sections"),
    ],
)
def test_impossible_step_is_named_before_anything_is_read(config, steps, message):
    with pytest.raises(LabError, match=message) as caught:
        step_configs(replace(config, steps=replace(config.steps, steps=steps)))
    assert "\n" not in str(caught.value)


def test_unknown_rung_is_named(config):
    with pytest.raises(LabError, match=r"steps.rung=LSTM 7: must be a rung of the ladder: LSTM 8, LSTM 32"):
        step_configs(replace(config, steps=replace(config.steps, rung="LSTM 7")))


def test_repeats_are_told_by_the_key_that_was_set(config):
    with pytest.raises(LabError, match=r"^steps.repeats=0: must be 1 or more"):
        step_configs(replace(config, steps=replace(config.steps, repeats=0)))
