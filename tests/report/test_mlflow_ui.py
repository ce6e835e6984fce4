"""The MLflow UI as a person meets it: a real server on a finished study's SQLite store, looked at in a browser."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from rfcx_lab.lab.ladder import climb_ladder
from rfcx_lab.report.notes import WIDEST
from rfcx_lab.tracking.tables import PAGES
from tests import fakes
from tests.conftest import TOY, compose_config
from tests.lab.outcome import RUNGS, runs_of
from tests.report.browser import Tab, blank_tab, colours

REPEATS = 3
OVERRIDES = (*TOY, "training.epochs=20", f"ladder.repeats={REPEATS}", "split.test_fraction=0.3", "engine=inline")
PATIENCE = 60_000  # milliseconds
UI_ALONE = {"/ajax-api/2.0/mlflow/users/current"}  # asked for by every page of the UI, and only there with log-ins
ASSISTANT = "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1"  # once opened by itself, it takes no room any more
LOADED = "(image) => image.complete && image.naturalWidth"


@dataclass(frozen=True)
class Lab:
    """A finished study, and a server that shows it."""

    address: str
    document: dict
    experiment: str
    runs: dict[str, str]  # ids by name

    def page(self, path: str) -> str:
        return f"{self.address}/#/experiments/{self.experiment}/{path}"


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[Lab]:
    runs = tmp_path_factory.mktemp("ui") / "runs"
    config = compose_config(*OVERRIDES, f"runs_dir={runs}")
    with pytest.MonkeyPatch.context() as patch:
        fakes.predict_by_fakes(patch)
        document = climb_ladder(config, runs / "out", fit=fakes.fit_with_model, command=OVERRIDES).document
    found = runs_of(config.tracking.uri)
    names = {run.info.run_name: run.info.run_id for run in found}
    with serve(config.tracking.uri, runs / "server.log") as address:
        yield Lab(address, document, found[0].info.experiment_id, names)


@contextmanager
def serve(uri: str, log: Path) -> Iterator[str]:
    """The UI on a free port, as `mlflow ui` starts it; with one worker, and none for jobs that nobody gives it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri, "--port", str(port), "--workers", "1"]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with log.open("wb") as said:
        server = subprocess.Popen(command, stdout=said, stderr=said, env=environment, start_new_session=True)
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 120
        while not answers(f"{address}/health"):
            assert server.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


@pytest.fixture(scope="module")
def tab(browser) -> Iterator[Tab]:
    """One page for all, in which a click leads from one to the next; `said` is what is wrong with any of them."""
    with blank_tab(browser, minds=is_ours) as tab:
        tab.page.set_default_timeout(PATIENCE)
        tab.page.add_init_script(f"localStorage.setItem('{ASSISTANT}', 'true')")
        tab.page.on(
            "response",
            lambda answer: (
                tab.said.append(f"{answer.status} {answer.url}")
                if answer.status >= 400 and urlsplit(answer.url).path not in UI_ALONE
                else None
            ),
        )
        yield tab


def is_ours(message) -> bool:
    """Errors in the console, but for two of the UI's own; that a page was refused is told by its answer."""
    theirs = ("Failed to load resource", "ResizeObserver loop")
    return message.type == "error" and not any(words in message.text for words in theirs)


def see(place: Locator) -> Locator:
    expect(place).to_be_visible(timeout=PATIENCE)
    return place


def drawn(image: Locator) -> int:
    """The width of a picture that the browser has fetched and could read."""
    see(image)
    image.page.wait_for_function(LOADED, arg=image.element_handle())
    return int(image.evaluate("(image) => image.naturalWidth"))


def names(page: Page) -> Locator:
    """The names of the runs in the table, from above."""
    return page.locator(".ag-row a[href*='/runs/']")


def row(page: Page, place: int) -> list[str]:
    """What stands in a row of the table."""
    return page.locator(f".ag-row[row-index='{place}'] .ag-cell").all_inner_texts()


def chart(page: Page, metric: str) -> Locator:
    """The plot over whose legend `metric` stands."""
    legend = f"//*[contains(text(), '({metric})')]"
    plot = "contains(@class, 'js-plotly-plot')"
    return page.locator(f"xpath={legend}/ancestor::*[.//*[{plot}]][1]//*[{plot}]").first


def test_experiment_says_the_answer_first_and_its_study_stands_first(lab, tab):
    page = tab.page
    page.goto(lab.page(f"runs?{PAGES}"))
    note = page.locator("p", has_text=first_words(lab))
    see(note)
    expect(names(page)).to_have_count(1, timeout=PATIENCE)
    assert names(page).inner_text().startswith("smoke ")
    page.locator("[data-component-id='mlflow.experiment.metadata_editor.expand_button']").click()
    assert drawn(page.locator("img[src*='path=description.svg']")) == WIDEST
    command = page.locator("p", has_text="Next:").locator("code").inner_text()
    assert command.startswith("python -m rfcx_lab +experiment=smoke") and "'ladder.only=[" in command
    for name in ("Study", "Rungs", "Fits"):
        see(page.get_by_role("link", name=name, exact=True))


def first_words(lab: Lab) -> str:
    return lab.document["answer"].split(" (")[0]


def test_a_click_opens_the_rungs_in_their_order_with_what_they_come_to(lab, tab):
    page = tab.page
    page.goto(lab.page(f"runs?viewStateShareKey=rungs&{PAGES}"))
    expect(names(page)).to_have_text(RUNGS, timeout=PATIENCE)
    for place, rung in enumerate(lab.document["rungs"]):
        cells = row(page, place)
        onset = "-" if rung["onset_epoch"] is None else f"{rung['onset_epoch'][0]:g}"
        shown = f"{rung['statuses'].get('overfit', 0)} of {rung['repeats']} overfit"
        where = cells.index(shown)
        assert cells[where + 1 : where + 3] == [onset, f"{rung['best_epoch'][0]:g}"]
        assert float(cells[where + 3].rstrip("…")) == pytest.approx(rung["val_loss_best"][0], abs=1e-5)


def test_fits_are_named_and_their_columns_filled(lab, tab):
    page = tab.page
    page.goto(lab.page(f"runs?viewStateShareKey=fits&{PAGES}"))
    expect(names(page)).to_have_count(len(RUNGS) * REPEATS, timeout=PATIENCE)
    assert set(names(page).all_inner_texts()) == {f"{rung} · {repeat}" for rung in RUNGS for repeat in range(REPEATS)}
    for place in range(len(RUNGS) * REPEATS):
        cells = row(page, place)
        status = "overfit" if "+ Dense 48" in " ".join(cells) else "not_overfit"
        where = cells.index(status)
        onset, best = cells[where + 1 : where + 3]
        assert onset == ("-" if status == "not_overfit" else str(int(onset))) and int(best) > 0


@pytest.mark.parametrize("table", ["study", "rungs", "fits"])
def test_what_a_run_comes_to_is_seen_without_scrolling(lab, tab, table):
    page = tab.page
    page.goto(lab.page(f"runs?viewStateShareKey={table}&{PAGES}"))
    width = page.viewport_size["width"]
    for column in ("status", "onset_epoch", "best_epoch", "loss/val_best", "rise"):
        header = page.locator(".ag-header-cell", has=page.get_by_text(column, exact=True))
        see(header)
        place = header.bounding_box()
        assert place["x"] >= 0 and place["x"] + place["width"] <= width, column


def test_a_fit_has_both_losses_side_by_side_and_in_one_picture(lab, tab, tmp_path):
    page, run = tab.page, lab.runs["+ Dense 48 · 0"]
    page.goto(lab.page(f"runs/{run}/model-metrics?{PAGES}"))
    places = []
    for metric in ("loss/train", "loss/val"):
        plot = see(chart(page, metric))
        expect(plot.locator("path.js-line").first).to_be_visible(timeout=PATIENCE)
        plot.scroll_into_view_if_needed()
        places.append(plot.bounding_box())
        assert colours(plot, tmp_path) > 20
    assert places[0]["y"] == places[1]["y"]
    assert places[0]["x"] + places[0]["width"] <= places[1]["x"]
    page.goto(lab.page(f"runs/{run}/artifacts/curves.svg?{PAGES}"))
    picture = page.locator("img[src^='blob:'], .artifact-view img, svg image").first
    see(picture)
    assert colours(picture, tmp_path) > 20
    page.goto(lab.page(f"runs/{run}?{PAGES}"))
    described = page.locator("img[src*='path=curves.svg']")
    assert drawn(described) == WIDEST
    place, room = described.bounding_box(), page.locator("main").bounding_box()
    assert place["x"] + place["width"] <= room["x"] + room["width"]  # the page has not grown beyond its window


def test_rungs_stand_side_by_side_when_they_are_compared(lab, tab, tmp_path):
    page, chosen = tab.page, [lab.runs[rung] for rung in RUNGS]
    asked = {"runs": chosen, "experiments": [lab.experiment]}
    query = "&".join(f"{key}={quote(json.dumps(value))}" for key, value in asked.items())
    page.goto(f"{lab.address}/#/compare-runs?{query}&{PAGES}")
    see(page.get_by_text(f"Comparing {len(RUNGS)} Runs from 1 Experiment"))
    table = page.locator("table", has_text="Run Name:")
    see(table)
    for rung in RUNGS:
        assert table.get_by_text(rung, exact=True).count() == 1
    plot = page.locator(".js-plotly-plot .parcoords").first
    plot.wait_for(state="attached")
    assert "loss/val_best" in page.locator(".js-plotly-plot").first.inner_text()
    assert colours(page.locator(".js-plotly-plot").first, tmp_path) > 20
    for parameter in ("lstm", "dense"):
        assert page.locator("tr", has=page.get_by_text(parameter, exact=True)).count() >= 1
    lines = page.inner_text("body").split("Metrics\nShow diff only\n")[1].split("\nArtifacts\n")[0].splitlines()
    metrics = [line for line in lines if re.match(r"[a-z]", line)]  # their names first, then row by row their values
    first = len(metrics) + len(RUNGS) * metrics.index("loss/val_best")
    shown = [float(number) for number in lines[first : first + len(RUNGS)]]
    assert shown == pytest.approx([rung["val_loss_best"][0] for rung in lab.document["rungs"]], abs=0.001)


def test_the_model_s_page_says_what_it_is(lab, tab):
    page = tab.page
    page.goto(f"{lab.address}/#/models/rfcx_lab-smoke/versions/1?{PAGES}")
    see(page.locator("p", has_text=first_words(lab)))
    see(page.get_by_text("normalisation is the model's first layer"))
    see(page.get_by_text("@ recommended"))
    see(page.get_by_role("link", name=f"{lab.document['test']['rung']} · {lab.document['test']['model']['repeat']}"))


def test_nothing_was_asked_of_another_host_and_nothing_went_wrong(lab, tab):
    """Last: of all pages above."""
    hosts = {urlsplit(address).netloc for address in tab.asked if not address.startswith(("data:", "blob:"))}
    assert hosts == {urlsplit(lab.address).netloc}
    assert len(tab.asked) > 50
    assert not tab.said
