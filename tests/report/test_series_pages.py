"""The pages of a pipeline that is mended and of the boxes' length, as a person meets them."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from rfcx_lab.report import length_page, steps_page
from rfcx_lab.verdict.statements import split_answer
from tests.report.browser import THEMES, WIDTHS, Tab, colours, open_tab, widest
from tests.report.series import COMMAND, NAMES, measured, mended, write_measured, write_mended
from tests.report.studies import MISCHIEF


@pytest.fixture(scope="module", params=[write_mended, write_measured], ids=["mended", "length"])
def path(request, tmp_path_factory) -> Path:
    return request.param(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def steps(browser, tmp_path_factory):
    with open_tab(browser, write_mended(tmp_path_factory.mktemp("page"))) as tab:
        yield tab


@pytest.fixture(scope="module")
def pipelines(browser, tmp_path_factory):
    with open_tab(browser, write_measured(tmp_path_factory.mktemp("page"))) as tab:
        yield tab


def test_opens_offline_and_quietly_whatever_things_are_called(browser, path):
    with open_tab(browser, path) as tab:
        tab.page.wait_for_load_state("networkidle")
        assert not tab.said
        assert {url for url in tab.asked if not url.startswith("data:")} == {path.as_uri()}
        assert tab.page.title() != "owned"
        assert MISCHIEF in tab.page.inner_text("ol.glance >> nth=0")
        assert f"name: {MISCHIEF}" in tab.page.locator("details", has_text="The resolved config").text_content()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("theme", THEMES)
def test_nothing_overflows_and_anyone_can_use_it(browser, path, width, theme):
    with open_tab(browser, path, width=width, theme=theme) as tab:
        assert widest(tab.page) == width
        found = Axe().run(tab.page).response["violations"]
        assert not [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")]


def test_curves_are_drawn_and_read(browser, path, tmp_path):
    with open_tab(browser, path) as tab:
        canvases = tab.page.locator(".chart canvas")
        assert canvases.count() == tab.page.locator(".chart").count() > 0
        assert colours(canvases.last, tmp_path) > 10
        tab.page.locator("details.values summary").last.click()
        tab.page.locator("details.values table").wait_for()
        assert tab.page.locator("details.values tbody tr").count() in (50, 120)


def strips(tab: Tab, place: int) -> list[str]:
    """What stands in the strips of a row."""
    row = tab.page.locator("ol.glance").first.locator("li.rung").nth(place)
    return row.locator(".strip small").all_inner_texts()


def test_what_matters_is_said_first(steps):
    document, _, _ = mended()
    assert steps.page.inner_text("h1") == steps_page.headline(document)
    assert steps.page.inner_text("h1").startswith("2 of 9 corrections are established to matter: normalised by")
    said = steps.page.locator("#answer > p, #answer li").all_inner_texts()
    statements = split_answer(document["answer"])
    assert said == statements[: len(said)]
    assert said[-1].startswith("On the last step: Where the model begins to overfit")
    climbed = steps.page.locator("#climbed > p, #climbed li").all_inner_texts()
    assert " ".join(climbed) == document["ladder"]["answer"]
    badges = steps.page.inner_text(".badges")
    for words in (
        "2 of 9 corrections established",
        "audit: red, then amber",
        "ladder on the last step: not established",
    ):
        assert words in badges


def test_every_step_has_its_numbers_and_its_repeats(steps, tmp_path):
    document, curves, _ = mended()
    rows = steps.page.locator("ol.glance").first.locator("li.rung")
    assert rows.count() == len(document["steps"])
    assert colours(steps.page.locator("ol.glance").first, tmp_path) > 30
    for place, step in enumerate(document["steps"]):
        assert rows.nth(place).locator(".strip >> nth=0").locator("circle").count() == len(curves[step["name"]])
        loss, _, test = strips(steps, place)
        assert loss.startswith(f"{step['val_loss_best'][0]:.2f} (")
        assert test.startswith(f"{100 * step['test_accuracy'][0]:.0f} (")
        assert ("matters" in rows.nth(place).inner_text()) == step["matters"]
    assert "window.kind=fixed, window.seconds=2.0, window.frames=null" in rows.nth(1).inner_text()


def test_the_audit_stands_once_for_steps_that_share_it(steps):
    document, _, _ = mended()
    told = steps.page.locator(".signals li").all_inner_texts()
    assert ["Steps 0 to 1" in told[0], "Steps 2 to 9" in told[1], len(told)] == [True, True, 2]
    for step in (document["steps"][0], document["steps"][-1]):
        assert steps.page.inner_text("body").count(step["audit"]["sentence"]) == 1


def test_the_ladder_stands_below_with_a_link_to_its_own_page(steps):
    _, _, ladder = mended()
    section = steps.page.locator("section[aria-labelledby=ladder]")
    names = [rung["name"] for rung in ladder.document["rungs"]]
    shown = section.locator("li.rung .name").all_inner_texts()
    assert all(text.startswith(name) for text, name in zip(shown, names, strict=True))
    assert section.locator("a").get_attribute("href") == "ladder/report.html"


def test_it_tells_how_it_was_made_and_what_to_run_next(steps):
    assert COMMAND[0] in steps.page.inner_text("section[aria-labelledby=anew] pre >> nth=0")
    assert steps.page.inner_text("section[aria-labelledby=next] pre") == f"python -m rfcx_lab '{MISCHIEF}'"
    assert "keras==" in steps.page.locator("details").last.text_content()


def test_who_reads_the_length_is_said_first(pipelines):
    document, _ = measured()
    assert pipelines.page.inner_text("h1") == length_page.headline(document)
    assert pipelines.page.inner_text("h1") == (
        f"Shown to read the length of the box: {NAMES[0]}. Not shown to: {NAMES[1]}"
    )
    said = pipelines.page.locator("#answer > p, #answer li").all_inner_texts()
    assert " ".join(said) == document["answer"]
    assert "1 of 2 pipelines shown to read the length" in pipelines.page.inner_text(".badges")


def test_every_pipeline_has_its_shares_and_claims(pipelines):
    document, _ = measured()
    for place, one in enumerate(document["pipelines"]):
        told = strips(pipelines, place)
        shown = [one["shares"][key] for key in ("true", "swapped", "donor_swapped")] + [one["noise"]]
        assert [text.split(" %")[0] for text in told] == [f"{100 * share[0]:.1f}" for share in shown]
    rows = pipelines.page.locator("section[aria-labelledby=claims] table").first.locator("tbody tr")
    assert rows.count() == 3
    for row in rows.all():
        assert [cell.split("\n")[0] for cell in row.locator("td").all_inner_texts()] == ["shown", "not shown"]


def test_a_chart_has_its_own_chance_and_its_own_length(pipelines):
    """Noise is under other boxes: of other species, and trained for longer."""
    numbers = pipelines.page.evaluate("JSON.parse(document.getElementById('data').textContent).rungs")
    assert [round(1 / one["chance"]["accuracy"]) for one in numbers] == [24, 12, 24, 12]
    assert [one["epochs"] for one in numbers] == [50, 120, 50, 120]


@pytest.mark.parametrize(
    ("established", "words"),
    [
        ([], "None of 9 corrections is established to matter"),
        ([3], "1 of 9 corrections is established to matter: norm"),
    ],
)
def test_the_headline_counts_what_matters(established, words):
    document, _, _ = mended()
    for step in document["steps"]:
        step["matters"] = step["index"] in established
    assert steps_page.headline(document).startswith(words)


def test_the_headline_says_when_no_pipeline_is_shown_to_read_the_length():
    document, _ = measured()
    for claim in document["pipelines"][0]["claims"].values():
        claim["established"] = False
    assert length_page.headline(document) == "No pipeline is shown to read the length of the box"
