"""The Optuna dashboard of a finished sweep, and of one under way, as a person meets it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna_dashboard import get_note
from playwright.sync_api import Page

from rfcx_lab.lab.sweep import run_sweep
from rfcx_lab.verdict.statements import split_answer
from tests import fakes
from tests.conftest import ROOT, compose_config
from tests.report.browser import Tab, blank_tab, colours
from tests.report.studies import SWEEP

MLFLOW = "http://127.0.0.1:5999"  # where the MLflow UI is today; nobody need answer there


@pytest.fixture(scope="module")
def document(swept) -> dict:
    return json.loads((swept / "frontier.json").read_text())


@pytest.fixture(scope="module")
def address(swept) -> Iterator[str]:
    """The dashboard's, as `make ui` starts it beside a tracking server."""
    arguments = ["--runs-dir", str(swept.parent / "runs"), "--tracking-uri", MLFLOW]
    process = subprocess.Popen(
        [sys.executable, "-m", "rfcx_lab.ui", *arguments],
        **{"cwd": ROOT, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True},
    )
    assert process.stdout is not None
    said: list[str] = []
    try:
        for line in process.stdout:
            said.append(line)
            if found := re.match(r"Optuna dashboard: (http://127\.0\.0\.1:\d+)$", line):
                yield found[1]
                break
        else:
            pytest.fail("".join(said))
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="module")
def tab(browser, address) -> Iterator[Tab]:
    with blank_tab(browser, size=(1280, 1000), minds=lambda message: message.type == "error") as tab:
        tab.page.set_default_timeout(120_000)
        yield tab


def open_page(tab: Tab, address: str, place: str, *, waiting_for: str) -> Page:
    tab.page.goto(f"{address}/dashboard/studies/0{place}")
    tab.page.get_by_text(waiting_for, exact=False).first.wait_for()
    return tab.page


def test_the_study_tells_its_answer_and_shows_its_figure(tab, address, document):
    page = open_page(tab, address, "/note", waiting_for=document["answer"][:40])
    text = page.inner_text("body")
    assert all(statement in text for statement in split_answer(document["answer"]))
    figure = page.get_by_role("img", name="frontier")
    figure.wait_for()
    assert figure.evaluate("(one) => one.decode().then(() => one.naturalWidth)") > 500


def test_the_frontier_is_drawn(tab, address, tmp_path):
    page = open_page(tab, address, "", waiting_for="The frontier")
    plot = page.locator('[id="user-defined-plot:frontier"]')
    plot.locator(".heatmaplayer image").wait_for(state="attached")
    assert colours(plot, tmp_path) > 100
    assert "probability of" in plot.inner_text()


def test_every_trial_is_listed_with_what_it_came_to(tab, address, document):
    page = open_page(tab, address, "/trials?numbers=0", waiting_for="Trial 0")
    for trial in document["trials"]:
        assert page.get_by_text(f"Trial {trial['number']}", exact=True).count() >= 1


def test_a_trial_tells_its_architecture_its_attributes_and_the_way_to_its_fits(tab, address, document, tmp_path):
    trial = document["trials"][1]
    page = open_page(tab, address, "/trials?numbers=1", waiting_for="Its fits in MLflow")
    text = page.inner_text("body")
    cell = next(cell for cell in document["architectures"] if cell["values"] == trial["values"])
    assert f"Trial 1: {cell['name']}" in text
    assert f"best loss {trial['value']:.3f}" in text
    link = page.get_by_role("link", name="Its fits in MLflow")
    assert re.fullmatch(
        rf"{MLFLOW}/#/experiments/\d+/runs/{trial['mlflow_run']}\?workflowType=machine_learning",
        link.get_attribute("href"),
    )
    assert trial["mlflow_run"] in text
    assert str(cell["trainable_parameters"]) in text
    drawing = page.locator("img[src*='/artifacts/']").first
    drawing.wait_for()
    assert drawing.evaluate("(one) => one.decode().then(() => one.naturalWidth)") > 300
    assert colours(drawing, tmp_path) > 30


def test_nobody_else_is_asked_and_nothing_goes_wrong(tab, address):
    assert {url.split("/")[2] for url in tab.asked if url.startswith("http")} == {address.removeprefix("http://")}
    assert not tab.said


def test_a_sweep_that_is_gone_on_with_shows_each_figure_once(swept, root):
    runs = swept.parent / "runs"
    before = sorted(path.name for path in (runs / "optuna" / "artifacts").iterdir())
    overrides = [*SWEEP, f"data.root={root}"]
    config = compose_config(*overrides, f"runs_dir={runs}")
    run_sweep(config, swept.parent / "again", fit=fakes.fit_with_frontier, command=overrides)
    assert sorted(path.name for path in (runs / "optuna" / "artifacts").iterdir()) == before


def test_a_running_trial_shows_what_is_known_of_it(root, tmp_path):
    """What the dashboard reads while the first trial is being fitted."""
    seen: list[tuple[optuna.trial.FrozenTrial, str]] = []
    journal = tmp_path / "runs" / "optuna" / "plane.log"

    def fit(rung, **options):
        if not seen:
            study = optuna.load_study(study_name="plane", storage=JournalStorage(JournalFileBackend(str(journal))))
            trial = study.trials[0]
            seen.append((trial, get_note(optuna.trial.Trial(study, trial._trial_id))))
        return fakes.fit_with_frontier(rung, **options)

    overrides = [*SWEEP, f"data.root={root}", f"runs_dir={tmp_path / 'runs'}", "sweep.n_trials=1"]
    run_sweep(compose_config(*overrides), tmp_path / "out", fit=fit)
    [(trial, note)] = seen
    assert trial.state == optuna.trial.TrialState.RUNNING
    assert trial.user_attrs["parameters"] > 0
    assert note.startswith("**Trial 0: LSTM ")
    assert "Being fitted over repeats 0, 1." in note
    assert f"/runs/{trial.user_attrs['mlflow_run']}?" in note and "): run *Trial 0: LSTM" in note
