from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from rfcx_lab.report.figure import draw_ladder, ladder_figure
from rfcx_lab.report.table import HEADER, ladder_rows
from rfcx_lab.verdict import Curves, RungInfo, judge_ladder
from tests.verdict.synthetic import Truth, fits

ORDER = [RungInfo("low", "capacity", 10), RungInfo("+ high", "capacity", 2000), RungInfo("+ dropout", "remedy", 2000)]
ONSET = 20


def made(repeats: int):
    truths = [Truth(), Truth(rise=0.5, onset=ONSET), Truth(rise=0.1, onset=ONSET)]
    curves = {
        info.name: fits(truth, repeats=repeats, rung=i)
        for i, (info, truth) in enumerate(zip(ORDER, truths, strict=True))
    }
    curves["low"][0] = Curves((), (), (), (), 0, "out of memory")
    verdict = judge_ladder(curves, order=ORDER, validation_fraction=0.25)
    return curves, {**verdict.to_dict(), "data": {"classes": 24}}


def test_a_panel_per_rung_and_one_of_losses():
    curves, document = made(6)
    figure = ladder_figure(curves, document)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:3] == ["low", "+ high", "+ dropout (remedy)"]
    assert "standard error" in titles[3]
    first, rest = figure.axes[4].texts
    assert " ".join(f"{first.get_text()} {rest.get_text()}".split()) == " ".join(document["answer"].split())
    assert first.get_text().count(". ") == 0


def test_answer_is_as_wide_as_the_figure_and_above_the_panels():
    curves, document = made(6)
    figure = ladder_figure(curves, document)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[4].texts]
    whole = figure.bbox.width
    assert 0.8 * whole < max(box.x1 for box in boxes) <= whole
    assert boxes[0].y0 >= boxes[1].y1
    assert boxes[1].y0 > max(panel.get_tightbbox().y1 for panel in figure.axes[:3])


def test_rung_where_it_begins_stands_out_and_where_that_is_open_the_stretch_does():
    curves, document = made(6)
    found = document["begins_to_overfit"]["trained_to_the_end"]
    assert (found["rung"], found["established"]) == ("+ high", True)
    figure = ladder_figure(curves, document)
    heavy = [axes.get_title() for axes in figure.axes[:4] if axes.spines["left"].get_linewidth() > 2]
    assert heavy == ["+ high"]
    [line] = [line for line in figure.axes[3].lines if line.get_label() == "begins to overfit"]
    assert line.get_xdata()[0] == 0.5
    for between, right in ((["low", "+ high"], 1), (["+ high", None], 2.5)):
        document["begins_to_overfit"]["trained_to_the_end"] = {**found, "established": False, "between": between}
        figure = ladder_figure(curves, document)
        assert not [axes for axes in figure.axes[:4] if axes.spines["left"].get_linewidth() > 2]
        [span] = [patch for patch in figure.axes[3].patches if "not established" in patch.get_label()]
        assert span.get_x() + span.get_width() == right


def test_no_mean_runs_out_of_its_panel():
    curves, document = made(6)
    high = ladder_figure(curves, document).axes[1]
    tallest = max(line.get_ydata().max() for line in high.lines if line.get_linewidth() > 2)
    assert tallest < high.get_ylim()[1]


def test_every_repeat_is_drawn_and_the_onset_marked_with_its_spread():
    curves, document = made(6)
    low, high = ladder_figure(curves, document).axes[:2]
    assert sum(len(line.get_xdata()) == 50 for line in low.lines) == 2 * (5 + 1)  # one fit has no curve
    assert sum(len(line.get_xdata()) == 50 for line in high.lines) == 2 * (6 + 1)
    [onset] = [line for line in high.lines if line.get_label() == "onset (median)"]
    assert onset.get_xdata()[0] == pytest.approx(ONSET, abs=3)
    assert [patch.get_label() for patch in high.patches] == ["its 95 % interval"]
    assert not low.patches


def test_legend_explains_every_mark_and_axes_have_units():
    curves, document = made(6)
    figure = ladder_figure(curves, document)
    [legend] = figure.legends
    shown = {text.get_text() for text in legend.get_texts()}
    assert {"chance", "onset (median)", "its 95 % interval"} < shown
    assert figure.axes[0].get_ylabel() == "cross-entropy (nats)"
    assert figure.axes[0].get_xlabel() == "epoch"
    assert figure.axes[3].get_ylabel() == "validation loss (nats)"


def test_too_few_repeats_shade_no_interval():
    curves, document = made(3)
    assert not ladder_figure(curves, document).axes[1].patches


@pytest.mark.parametrize("repeats", [1, 6])
def test_table_has_a_row_per_rung(repeats):
    _, document = made(repeats)
    rows = ladder_rows(document)
    assert [row[0] for row in rows] == ["low", "+ high", "+ dropout (remedy)"]
    assert {len(row) for row in rows} == {len(HEADER)}
    assert rows[1][1:3] == ("2,000", f"{repeats} of {repeats}")
    assert ("±" in rows[1][5]) == (repeats > 1)


def test_smallest_letters_are_legible_at_half_the_width():
    """Five points and more in a column of half a page."""
    curves, document = made(6)
    figure = ladder_figure(curves, document)
    texts = [text for text in figure.findobj(lambda one: hasattr(one, "get_fontsize")) if text.get_text()]
    shrunk = min(1.0, 5.2 / figure.get_figwidth())  # inches: half of a page across
    assert len(texts) > 20
    assert min(text.get_fontsize() for text in texts) * shrunk >= 5


def test_figure_is_written_for_print_too_and_always_the_same(tmp_path):
    curves, document = made(3)
    paths = [tmp_path / "ladder.svg", tmp_path / "again.svg"]
    draw_ladder(curves, document, paths=paths)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    drawing = ElementTree.parse(paths[0]).getroot()
    assert drawing.tag.endswith("svg")
    assert sum(1 for _ in drawing.iter("{http://www.w3.org/2000/svg}path")) > 3 * 2 * 3
