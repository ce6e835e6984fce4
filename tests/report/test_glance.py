"""That the ladder's picture shows what its verdict was read from, on the ladders on record."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rfcx_lab.report.glance import headline, look_at_ladder, place_in_words
from rfcx_lab.report.ladder_page import ladder_page
from rfcx_lab.report.strips import Strips
from rfcx_lab.report.study_page import Circumstances
from rfcx_lab.verdict.record import read_record
from tests.conftest import ROOT

RECORDS = ("ladder-soundscape", "ladder-esc50")


def look(name: str, **changes) -> tuple[Strips, dict, dict]:
    folder = ROOT / "experiments" / name
    document = {**json.loads((folder / "verdict.json").read_text()), **changes}
    curves = read_record(folder / "curves.csv.gz").curves
    return look_at_ladder(curves, document), document, curves


def value_at(glance: Strips, margin: float, place: float) -> float:
    """What stands at a place on the axis of the rise."""
    lines = dict(glance.columns[0].lines)
    return (place - lines["zero"]) / (lines["margin"] - lines["zero"]) * margin


@pytest.mark.parametrize("name", RECORDS)
def test_bar_and_band_are_the_judge_s_rise_and_dots_the_repeats_own(name):
    glance, document, curves = look(name)
    margin = document["judge"]["margin"]
    for row, rung in zip(glance.rows, document["rungs"], strict=True):
        shown = (row.strips[0].point, *row.strips[0].band)
        for place, judged in zip(shown, rung["rise"], strict=True):
            assert 0 <= place <= 1
            if place not in (0, 1):  # an end beyond the axis stands at its edge
                assert value_at(glance, margin, place) == pytest.approx(judged, abs=1e-9)
        own = [fit.val_loss[-1] / min(fit.val_loss) - 1 for fit in curves[rung["name"]]]
        assert [value_at(glance, margin, dot) for dot in row.strips[0].dots] == pytest.approx(own)
        assert f"{100 * rung['rise'][0]:+.1f} %" in row.strips[0].text.replace("−", "-")


@pytest.mark.parametrize("name", RECORDS)
def test_a_rung_that_is_said_to_overfit_has_its_band_beyond_the_margin(name):
    glance, document, _ = look(name)
    states, margin = {"overfits": [], "does_not": []}, dict(glance.columns[0].lines)["margin"]
    for row, rung in zip(glance.rows, document["rungs"], strict=True):
        if rung["state"] in states:
            states[rung["state"]].append(row.strips[0].band)
    assert states["overfits"] and all(low > margin for low, _ in states["overfits"])
    assert all(high < margin for _, high in states["does_not"])


def test_what_never_came_below_chance_has_no_dot_for_an_onset():
    folder = ROOT / "experiments" / "ladder-soundscape"
    document = json.loads((folder / "verdict.json").read_text())
    curves = read_record(folder / "curves.csv.gz").curves
    easy = {name: [replace(fit, chance_loss=0.5) for fit in fits] for name, fits in curves.items()}
    seen, unseen = ([row.strips[1].dots for row in look_at_ladder(each, document).rows] for each in (curves, easy))
    assert sum(map(len, seen)) >= 20
    assert not any(unseen)


def test_all_ticks_stand_on_the_axis_and_a_record_without_rises_has_dots_alone():
    glance, document, _ = look("ladder-soundscape")
    assert all(0 <= tick.place <= 1 for tick in (*glance.columns[0].ticks, *glance.columns[1].ticks))
    older, _, _ = look("ladder-soundscape", rungs=[{**rung, "rise": None} for rung in document["rungs"]])
    assert all(row.strips[0].band is None and row.strips[0].point is None and row.strips[0].dots for row in older.rows)


def test_an_end_that_is_not_known_reaches_the_edge():
    _, document, _ = look("ladder-soundscape")
    first, *others = document["rungs"]
    open_ended = [{**first, "rise": [0.1, None, None]}, {**others[0], "rise": [0.1, 0.05, None]}, *others[1:]]
    glance, _, _ = look("ladder-soundscape", rungs=open_ended)
    assert glance.rows[0].strips[0].band is None
    assert glance.rows[1].strips[0].band[1] == 1


def test_an_open_answer_is_named_by_the_rungs_between_which_it_lies():
    _, document, _ = look("ladder-esc50")
    assert headline(document) == (
        "Where overfitting begins is not established: between LSTM 32 and LSTM 128, from about epoch 11 on"
    )
    end, best = (document["begins_to_overfit"][key] for key in ("trained_to_the_end", "at_best_checkpoint"))
    assert place_in_words(best, document) == "between + Dense 128 and + Dense 48, from epoch 5 (3 to 8) on"
    lowest = {**end, "between": [document["rungs"][0]["name"], "LSTM 128"]}
    assert place_in_words(lowest, document) == "at rung LSTM 128 or at one below, from epoch 11 on"


def test_a_remedy_is_said_to_help_only_where_its_adjusted_p_says_so():
    _, document, curves = look("ladder-esc50")
    page = ladder_page(document, curves, circumstances=Circumstances("x", "", (), 22050), evidence=None)
    head, lstm = (" ".join(part.split()) for part in page.split("What dropout bought")[1].split("</p>")[:2])
    assert "p = 0.078" in head and head.endswith("training on is not shown to lose less.")
    assert "p = 0.019" in lstm and lstm.endswith("less is lost by training on.")
