from __future__ import annotations

import xml.etree.ElementTree as ET

from rfcx_lab.report.commands import Next
from rfcx_lab.report.notes import escape, experiment_note, model_note, narrow, study_note


def test_the_answer_stands_first_then_what_to_run_then_the_figure():
    note = study_note(
        "It overfits. + Dense 48 against LSTM 8: none.",
        figure="f.svg",
        report="r.html",
        following=Next("Train it", "python -m x 'a=[b]'"),
    )
    assert note.split("\n\n") == [
        "**It overfits.**",
        r"- \+ Dense 48 against LSTM 8: none.",
        "**Next:** Train it: `python -m x 'a=[b]'`",
        "![The study's figure](f.svg)",
        "[The whole report](r.html)",
    ]
    assert experiment_note(note, tables={"Rungs": "#/r"}).startswith(note + "\n\n**Tables:** [Rungs](#/r)")


def test_what_data_are_called_is_no_markup():
    assert escape("<b>a_b*</b> [c](d) & `e`") == r"&lt;b&gt;a\_b\*&lt;/b&gt; \[c\](d) &amp; \`e\`"
    note = model_note(
        "x", origin="LSTM 8", kept="best", shape=(3, 4), axes="frames, coefficients", classes=["<img src=x>"] * 50
    )
    assert "<img" not in note
    assert note.endswith("and 10 more.")


def test_a_model_says_which_epoch_s_weights_it_has():
    best, last = (
        model_note("x", origin="LSTM 8", kept=kept, shape=(3, 4), axes="", classes=["a"]) for kept in ("best", "last")
    )
    assert "LSTM 8, at its lowest validation loss." in best
    assert "LSTM 8, after its last epoch." in last and "lowest" not in last


def test_descriptions_fit_into_a_database():
    long = study_note("word " * 2000, figure="f", report="r", following=Next("Train it", "python"))
    tables = {name: f"#/experiments/1/runs?viewStateShareKey={name}" for name in ("Study", "Rungs", "Fits")}
    assert len(experiment_note(long, tables=tables)) < 5000
    assert "…" in long


def test_a_figure_is_made_narrow_and_keeps_its_shape():
    svg = (
        '<?xml version="1.0"?><svg width="748.8pt" height="500pt" viewBox="0 0 748.8 500" '
        'xmlns="http://www.w3.org/2000/svg"><rect width="7" height="5"/></svg>'
    )
    found = ET.fromstring(narrow(svg, 680))
    assert (found.get("width"), found.get("height"), found.get("viewBox")) == ("680", "454", "0 0 748.8 500")
    assert found[0].get("width") == "7"
    assert narrow("<svg/>") == "<svg/>"
