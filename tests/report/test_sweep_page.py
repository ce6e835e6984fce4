"""A sweep's page as a person meets it. That it opens offline, fits and can be used by anyone stands in test_pages."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from rfcx_lab.lab.checks import check_config
from rfcx_lab.report.study_page import Circumstances
from rfcx_lab.report.sweep_page import headline, sweep_page
from rfcx_lab.verdict import Curves
from rfcx_lab.verdict.statements import split_answer
from tests.conftest import compose_config
from tests.lab.outcome import by_level, runs_of
from tests.report.browser import Tab, colours, open_tab


@pytest.fixture(scope="module")
def document(swept) -> dict:
    return json.loads((swept / "frontier.json").read_text())


@pytest.fixture(scope="module")
def report(browser, swept) -> Iterator[Tab]:
    with open_tab(browser, swept / "report.html") as tab:
        yield tab


def percents(texts: list[str]) -> list[float]:
    return [float(text.removesuffix(" %")) for text in texts]


def test_it_says_the_answer_first(report, document):
    said = report.page.locator("#answer > p, #answer li").all_inner_texts()
    assert said == split_answer(document["answer"]) and len(said) > 2
    assert report.page.inner_text("h1") == headline(document)
    badges = report.page.inner_text(".badges")
    assert f"{len(document['trials'])} trials of 2 repeats, 20 epochs" in badges
    assert ("not established" in badges) == (not document["established"])


def test_the_frontier_is_drawn_with_every_cell_s_probability(report, document, tmp_path):
    drawing = report.page.locator("svg.map")
    assert colours(drawing, tmp_path) > 30
    shown = percents(drawing.locator(".share").all_text_contents())
    assert sorted(shown) == sorted(round(100 * cell["overfit_probability"]) for cell in document["architectures"])
    assert drawing.locator("circle.tried").count() == sum(bool(cell["trials"]) for cell in document["architectures"])
    high = drawing.locator("rect.high").evaluate_all("(all) => all.map((one) => getComputedStyle(one).fill)")
    low = drawing.locator("rect.low").evaluate_all("(all) => all.map((one) => getComputedStyle(one).fill)")
    assert len(high) == sum(cell["overfit_probability"] > 0.5 for cell in document["architectures"])
    assert not set(high) & set(low)


def test_the_frontier_s_line_runs_where_the_document_says(report, document):
    line = report.page.locator("svg.map path.frontier").get_attribute("d")
    xs = [float(x) for x in re.findall(r"[ML]([\d.]+) ", line)]
    ticks = report.page.locator("svg.map > text.middle").evaluate_all(
        "(all) => all.filter((one) => /^\\d+$/.test(one.textContent)).map((one) => +one.getAttribute('x'))"
    )
    first, second = ticks[:2]
    edges = {"none_overfits": 2.5, "all_overfit": -0.5}
    places = [
        edges[crossing["status"]] if crossing["position"] is None else crossing["position"]
        for crossing in document["crossings"]
    ]
    assert xs == pytest.approx([first + place * (second - first) for place in places for _ in range(2)], abs=0.06)


def test_trials_are_sorted_by_a_click_and_lead_to_their_curves(report, document):
    rows = report.page.locator("#trial-table tbody tr")
    assert rows.count() == len(document["trials"])
    header = report.page.locator("#trial-table thead th", has_text="Rise")
    for order in ("descending", "ascending"):
        header.locator("button").click()
        assert header.get_attribute("aria-sort") == order
        rises = percents(report.page.locator("#trial-table tbody td:nth-child(5)").all_inner_texts())
        assert rises == sorted(rises, reverse=order == "descending")
    lowest = min(document["trials"], key=lambda trial: trial["rise"])
    first = rows.first
    assert first.locator("td").first.inner_text() == str(lowest["number"])
    assert f"{lowest['value']:.3f}" in first.inner_text()
    first.locator("a").click()
    assert report.page.url.endswith(f"#trial-{lowest['number']}")
    heading = report.page.locator(f"#trial-{lowest['number']} h3")
    assert heading.inner_text().startswith(f"Trial {lowest['number']}: LSTM")


def test_curves_of_every_trial_are_drawn_and_read_what_was_trained(report, swept, document, tmp_path):
    charts = report.page.locator(".chart canvas")
    assert charts.count() == len(document["trials"])
    assert colours(charts.first, tmp_path) > 50
    trial = document["trials"][0]
    card = report.page.locator(f"#trial-{trial['number']}")
    card.locator("summary").click()
    card.locator("details table").wait_for()
    shown = [row.split("\t") for row in card.locator("details tbody tr").all_inner_texts()]
    assert [row[0] for row in shown] == [str(epoch) for epoch in range(1, 21)]
    client = MlflowClient(tracking_uri=f"sqlite:///{swept.parent / 'runs'}/mlflow.db")
    fits = [
        run.info.run_id
        for run in runs_of(client.tracking_uri, "plane")
        if run.data.tags.get("mlflow.parentRunId") == trial["mlflow_run"]
    ]
    losses = [client.get_metric_history(fit, "loss/val")[-1].value for fit in fits]
    assert float(shown[-1][2].split()[0]) == pytest.approx(sum(losses) / len(losses), abs=0.0006)


def test_the_recommended_architecture_comes_with_a_command_that_trains_it(report, document):
    command = shlex.split(report.page.inner_text("#train"))
    assert command[:3] == ["python", "-m", "rfcx_lab"]
    config = compose_config(*command[3:])
    assert config.kind == "ladder"
    assert config.training.epochs == document["recommended"]["epochs"]
    [rung] = check_config(config)
    values = document["recommended"]["values"]
    assert (rung.lstm, len(rung.dense)) == ([values["lstm_width"]], values["dense_layers"])
    assert rung.name == document["recommended"]["architecture"]


def test_it_tells_how_it_was_made(report, document):
    text = report.page.inner_text("body")
    assert "sweep.sampler=random" in text
    assert "t_max lies beyond the end of the recording" in report.page.inner_text("section[aria-labelledby=rejected]")
    assert report.page.locator("[data-status]").get_attribute("data-status") == document["audit"]["status"]
    assert "lstm_width:" in report.page.locator("details", has_text="The resolved config").text_content()
    assert f"optuna=={document['versions']['optuna']}" in report.page.locator("details").last.text_content()


def test_it_is_kept_in_mlflow_too(swept):
    client = MlflowClient(tracking_uri=f"sqlite:///{swept.parent / 'runs'}/mlflow.db")
    [study] = by_level(runs_of(client.tracking_uri, "plane"), "study")
    kept = Path(client.download_artifacts(study.info.run_id, "report.html"))
    assert kept.read_bytes() == (swept / "report.html").read_bytes()


def page_of(document: dict, curves: dict | None = None) -> str:
    circumstances = Circumstances("plane", "", (), 22050)
    return sweep_page(document, curves or {}, circumstances=circumstances, evidence=None, recommended=None)


def test_a_mean_is_read_only_while_all_repeats_are_there(browser, document, tmp_path):
    first = document["trials"][0]["number"]
    fits = [Curves(losses, losses, None, None, repeat) for repeat, losses in enumerate([[3, 1, 1, 5], [1, 1]])]
    failed = Curves([2, 9, 9], [2, 9, 9], None, None, 2, "the loss is not finite")
    page = tmp_path / "page.html"
    page.write_text(page_of(document, {first: [*fits, failed]}))
    with open_tab(browser, page) as tab:
        tab.page.locator(f"#trial-{first} summary").click()
        rows = tab.page.locator(f"#trial-{first} details tbody tr")
        rows.nth(3).wait_for()
        assert [rows.nth(epoch).locator("td").last.inner_text() for epoch in range(4)] == [
            "2.000 (1.000 to 3.000)",
            "1.000 (1.000 to 9.000)",
            "– (1.000 to 9.000, 2 of 3 fits)",
            "– (1 of 3 fits)",
        ]
        assert not tab.said


def test_the_test_part_is_shown_only_where_it_was_measured(document):
    figures = {"rung": "LSTM 4", "rows": 11, "repeats": 2, "loss": [1.0, 0.1], "accuracy": [0.5, 0.1]}
    assert "untouched test" not in page_of({**document, "test": None})
    assert "On 11 untouched test calls its 2 fits reach an accuracy of 50.0 %" in page_of({**document, "test": figures})


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("open", "Where overfitting begins is not established"),
        ("all_overfit", "All 6 architectures overfit"),
        ("none_overfits", "None of the 6 architectures overfits"),
    ],
)
def test_the_headline_says_when_there_is_no_frontier(document, status, words):
    assert headline({**document, "status": status}).startswith(words)


def test_an_open_answer_says_as_far_as_is_known_and_what_would_establish_it(document):
    found = {**document, "status": "open", "established": False}
    crossing = {**document["crossings"][0], "value": 29.9}
    assert headline({**found, "crossings": [crossing]}).startswith(
        "Where overfitting begins is not established: as far as is known, at LSTM width 30"
    )
    page = page_of(found)
    assert "What would establish it" in page and "sweep.n_trials=" in page
    assert "What would establish it" not in page_of({**document, "established": True})


def test_an_architecture_that_learnt_nothing_has_no_probability(document):
    first, *others = document["architectures"]
    page = page_of({**document, "architectures": [{**first, "learnt": False}, *others]})
    assert page.count('class="cell nothing"') == 1
    assert page.count(": has learnt nothing") == page.count(">learnt nothing<") == 1
    assert "Grey, without a number" in page


def test_what_the_frontier_hangs_on_is_told_where_it_is_known(document):
    assert "What it hangs on" not in page_of({key: document[key] for key in document if key != "importance"})
    shares = {"lstm_width": [0.7, 0.52, 0.81], "dense_layers": [0.2, 0.1, 0.31]}
    assert "LSTM width 70 % (52 % to 81 %), dense layers 20 % (10 % to 31 %)." in page_of(
        {**document, "importance": shares}
    )
