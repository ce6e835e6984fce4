"""The pages as a person meets them: opened in a browser, on a study whose data means mischief."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe

from rfcx_lab.lab import exhibits
from rfcx_lab.lab.command import run
from rfcx_lab.lab.study import prepare_study
from rfcx_lab.report.audit_words import sum_up
from rfcx_lab.verdict.record import read_record
from rfcx_lab.verdict.statements import split_answer
from tests.conftest import compose_config
from tests.report.browser import THEMES, WIDTHS, Tab, colours, open_tab, widest
from tests.report.studies import OVERRIDES, SPECIES

RUNGS = 3
PLAYERS = """Promise.all([...document.querySelectorAll("audio")].map((one) => new Promise((done) => {
    one.oncanplaythrough = () => done(one.duration);
    one.onerror = () => done(null);
    one.preload = "auto";
    one.load();
})))"""
"""Loads every player's sound and returns their lengths in seconds, null where one can't be decoded."""


@pytest.fixture(scope="module")
def document(study) -> dict:
    return json.loads((study / "verdict.json").read_text())


@pytest.fixture(scope="module", params=["ladder", "sweep", "data"])
def path(request, study, swept, looked) -> Path:
    return {"ladder": study / "report.html", "sweep": swept / "report.html", "data": looked / "data.html"}[
        request.param
    ]


@pytest.fixture(scope="module")
def report(browser, study) -> Iterator[Tab]:
    with open_tab(browser, study / "report.html") as tab:
        yield tab


def test_opens_offline_and_quietly(browser, path):
    with open_tab(browser, path) as tab:
        tab.page.wait_for_load_state("networkidle")
        assert not tab.said
        assert {url for url in tab.asked if not url.startswith("data:")} == {path.as_uri()}
        assert tab.page.title() != "owned"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("theme", THEMES)
def test_nothing_overflows_and_anyone_can_use_it(browser, path, width, theme):
    with open_tab(browser, path, width=width, theme=theme) as tab:
        assert widest(tab.page) == width
        paper = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, paper[4:-1].split(","))) > 384) == (theme == "light")
        found = Axe().run(tab.page).response["violations"]
        assert not [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")]


@pytest.mark.parametrize("path", ["ladder", "data"], indirect=True)
def test_players_load_the_sound_of_their_windows(browser, path):
    with open_tab(browser, path) as tab:
        seconds = tab.page.evaluate(PLAYERS)
        assert len(seconds) == tab.page.locator("svg.exhibit").count() > 0
        assert seconds == pytest.approx([2.0] * len(seconds), abs=0.01)


@pytest.mark.parametrize("path", ["ladder", "data"], indirect=True)
def test_exhibits_are_drawn(browser, path, tmp_path):
    with open_tab(browser, path) as tab:
        for image in tab.page.locator("svg.exhibit").all()[:3]:
            assert colours(image, tmp_path) > 200


def test_report_says_the_answer_first(report, document):
    said = report.page.locator("#answer > p, #answer li").all_inner_texts()
    assert said == split_answer(document["answer"]) and len(said) > 2
    assert report.page.locator("h1").inner_text() == "Overfitting begins at rung + Dense 48, from about epoch 8 on"
    assert "established" in report.page.inner_text(".badges")
    marks = report.page.locator("li.stands-out").all_inner_texts()
    assert len(marks) == 1 and "+ Dense 48" in marks[0]


@pytest.mark.parametrize("path", ["ladder", "data"], indirect=True)
def test_the_audit_is_summed_up_once_and_every_signal_s_sentence_stands_once(browser, path, document):
    with open_tab(browser, path) as tab:
        text = tab.page.inner_text("body")
        assert text.count(sum_up(document["audit"])) == 1
        for signal in document["audit"]["signals"]:
            assert text.count(signal["sentence"]) == 1, signal["name"]


def strips(tab: Tab) -> set[float]:
    """Where the strips of the ladder begin."""
    lefts = "(all) => all.map((one) => one.getBoundingClientRect().x)"
    return set(tab.page.locator(".rung svg, .axis svg").evaluate_all(lefts))


def test_strips_share_their_axes_on_a_narrow_page_too(browser, study):
    with open_tab(browser, study / "report.html", width=390) as tab:
        assert len(strips(tab)) == 2


def test_ladder_shows_every_repeat_and_its_margin(report, document):
    rows = report.page.locator("li.rung")
    assert rows.count() == RUNGS
    assert report.page.locator("li.rung .strip:nth-of-type(2) circle").count() == RUNGS * 3
    assert len(strips(report)) == 2  # all on the axes they share
    onset = report.page.locator("li.stands-out .strip").nth(1)
    assert onset.locator("circle").count() == 3
    assert f"epoch {document['rungs'][2]['onset_epoch'][0]:g}" in onset.inner_text()


def test_curves_are_drawn_and_can_be_read(report, study, tmp_path):
    charts = report.page.locator(".chart")
    assert charts.count() == RUNGS
    for chart in charts.all():
        assert colours(chart.locator("canvas"), tmp_path) > 50
    report.page.locator("details.values summary").nth(1).click()
    row = report.page.locator("details.values table").first.locator("tbody tr").nth(6)
    row.wait_for()  # the table is written once the browser has told that it was opened
    shown = row.locator("td").all_inner_texts()
    losses = [fit.val_loss[6] for fit in read_record(study / "curves.csv.gz").curves["LSTM 32"]]
    assert shown[0] == "7"
    assert shown[2] == f"{np.mean(losses):.3f} ({min(losses):.3f} to {max(losses):.3f})"


def test_curves_zoom_and_come_back(report, tmp_path):
    plot = report.page.locator(".chart").first.locator(".u-over")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()

    def epoch_at_the_right() -> float:
        report.page.mouse.move(box["x"] + box["width"] - 2, box["y"] + 20)
        return float(report.page.locator(".chart").first.locator(".u-value").first.inner_text())

    assert epoch_at_the_right() == 20
    report.page.mouse.move(box["x"] + 2, box["y"] + 50)
    report.page.mouse.down()
    report.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60, steps=4)
    report.page.mouse.up()
    assert 9 <= epoch_at_the_right() <= 12
    report.page.locator("[data-reset]").click()
    assert epoch_at_the_right() == 20


def test_accuracy_can_be_shown_instead(report):
    report.page.locator("[data-metric=accuracy]").click()
    plot = report.page.locator(".chart").first.locator(".u-over")
    plot.hover()
    assert report.page.locator(".chart").first.locator(".u-value").nth(2).inner_text().startswith("0.600")
    report.page.locator("[data-metric=loss]").click()


def test_species_are_scored_and_sorted(report, document):
    names = report.page.locator("#scores tbody th")
    assert set(names.all_inner_texts()) == set(SPECIES)
    error = report.page.locator("#scores thead th").last
    values = report.page.locator("#scores tbody td:last-child")
    for order in ("descending", "ascending"):
        error.locator("button").click()
        assert error.get_attribute("aria-sort") == order
        numbers = [int(text.split()[0]) for text in values.all_inner_texts()]
        assert numbers == sorted(numbers, reverse=order == "descending")
    calls = report.page.locator("#scores tbody td:nth-child(2)").all_inner_texts()
    assert sum(map(int, calls)) == document["test"]["rows"]


def test_confusion_matrix_is_by_row_and_can_be_sorted(report):
    def shares() -> list[list[float]]:
        rows = report.page.locator("#matrix tbody tr").all()
        return [
            row.locator("td").evaluate_all("(all) => all.map((one) => +one.style.getPropertyValue('--v'))")
            for row in rows
        ]

    report.page.locator("[data-order=data]").click()
    before = np.array(shares())
    assert before.sum(axis=1) == pytest.approx(1, abs=0.02)
    report.page.locator("[data-order=error]").click()
    after = np.array(shares())
    assert sorted(np.diag(before)) == list(np.diag(after))
    header = report.page.locator("#matrix thead th").all_inner_texts()
    assert header == report.page.locator("#matrix tbody th").all_inner_texts()


def test_report_tells_how_it_was_made(report, document):
    text = report.page.inner_text("body")
    assert "python -m rfcx_lab +experiment=smoke data=rfcx" in text
    assert "'ladder.only=[" in text and f"training.epochs={document['recommended']['epochs']}" in text
    assert "t_max lies beyond the end of the recording" in report.page.inner_text("section[aria-labelledby=rejected]")
    assert report.page.locator("[data-status]").get_attribute("data-status") == document["audit"]["status"]
    assert "batch_size: 16" in report.page.locator("details", has_text="The resolved config").text_content()


@pytest.fixture(scope="module")
def data(browser, looked) -> Iterator[Tab]:
    with open_tab(browser, looked / "data.html") as tab:
        yield tab


def test_data_page_counts_what_is_there(data, root):
    table = pd.read_csv(root / "train_tp.csv")[:-1]  # without the row that can't be used
    assert (
        data.page.inner_text("h1") == f"{len(table)} calls of 3 species in {table['recording_id'].nunique()} recordings"
    )
    for species, name in enumerate(SPECIES):
        calls = table[table["species_id"] == species]
        row = data.page.locator("#counts tbody tr", has_text=name)
        cells = row.locator("td").all_inner_texts()
        assert (int(cells[0]), int(cells[2])) == (len(calls), calls["recording_id"].nunique())
        assert float(cells[3]) == pytest.approx((calls["t_max"] - calls["t_min"]).median(), abs=0.006)
        sides = row.locator("svg").first.get_attribute("aria-label")
        assert sum(int(word) for word in sides.split() if word.isdigit()) == len(calls)


def test_data_page_sorts(data):
    header = data.page.locator("#counts thead th").nth(4)
    header.locator("button").click()
    medians = [float(text) for text in data.page.locator("#counts tbody td:nth-child(5)").all_inner_texts()]
    assert header.get_attribute("aria-sort") == "descending"
    assert medians == sorted(medians, reverse=True)


def test_data_page_keeps_the_test_part_unheard(data, root, study):
    config = compose_config(*OVERRIDES, f"data.root={root}", f"runs_dir={study.parent / 'runs'}", "audit.only=true")
    prepared = prepare_study(config)
    test = set(prepared.clips.table["line"].iloc[prepared.splits[0].test])
    notes = data.page.locator(".card .note").all_inner_texts()
    shown = [int(note.split("line ")[1]) for note in notes]
    assert len(shown) == 3 * 3
    assert not test & set(shown)


def test_tables_alone_have_a_page_too(browser, root, tmp_path):
    for name in ("train_tp.csv", "species.csv"):
        (tmp_path / name).write_bytes((root / name).read_bytes())
    overrides = ["+experiment=look", *OVERRIDES[1:], f"data.root={tmp_path}", f"runs_dir={tmp_path / 'runs'}"]
    run(compose_config(*overrides), tmp_path / "out")
    with open_tab(browser, tmp_path / "out" / "data.html") as tab:
        assert not tab.said
        assert "no recordings beside the tables" in tab.page.inner_text("section[aria-labelledby=calls]")
        assert tab.page.locator("#counts tbody tr").count() == 3


def test_sound_stops_before_the_page_grows_too_large(root, study, tmp_path, monkeypatch):
    """Rounds of species: the first call of each is heard before the second of any."""
    overrides = ["+experiment=look", *OVERRIDES[1:], f"data.root={root}", f"runs_dir={study.parent / 'runs'}"]
    monkeypatch.setattr(exhibits, "SOUND_BYTES", 350_000)
    run(compose_config(*overrides), tmp_path)
    page = (tmp_path / "data.html").read_text()
    assert 3 <= page.count("<audio") < 9
    assert page.count("<audio") + page.count("No player") == 9
    assert len(page) < 350_000 * 4 / 3 + 700_000
    first = [part.split('class="card"')[1] for part in page.split('<h3 id="species-')[1:]]
    assert all("<audio" in card for card in first)
