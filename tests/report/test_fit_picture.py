from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import pytest

from rfcx_lab.report.fit_picture import HEIGHT, WIDTH, draw_fit
from rfcx_lab.verdict import Curves, Verdict, find_onset
from tests.verdict.synthetic import Truth

SVG = "{http://www.w3.org/2000/svg}"


def draw(train, val, *, accuracy=None, failure=None, name="a"):
    curves = Curves(train, val, accuracy, accuracy, repeat=0, failure=failure)
    verdict = find_onset(train, val)
    return ET.fromstring(draw_fit(curves, verdict, name=name)), verdict


def lines(picture: ET.Element, kind: str) -> list[list[tuple[float, float]]]:
    """Places of each panel's curve."""
    drawn = [path.get("d") for path in picture.iter(f"{SVG}path") if path.get("class") == kind]
    return [[tuple(map(float, place)) for place in re.findall(r"L([\d.]+),([\d.]+)", path)] for path in drawn]


def words(picture: ET.Element) -> list[str]:
    return [text.text for text in picture.iter(f"{SVG}text")]


def test_both_losses_are_drawn_to_scale_beside_the_accuracies():
    train, val = (tuple(map(float, curve)) for curve in Truth(rise=0.3, epochs=30).curves(0))
    picture, verdict = draw(train, val, accuracy=(0.5,) * 30)
    losses, accuracies = lines(picture, "validation")
    assert len(losses) == len(accuracies) == 30
    assert [x for x, _ in losses] == pytest.approx([WIDTH * i / 29 for i in range(30)], abs=0.06)
    heights = [HEIGHT - y for _, y in losses]
    low, high = min(*train, *val), max(*train, *val)
    expected = [HEIGHT * (0.05 + (v - low) / (high - low)) / 1.1 for v in val]
    assert heights == pytest.approx(expected, abs=0.06)
    [onset, _] = [path for path in picture.iter(f"{SVG}path") if path.get("class") == "onset"]
    assert onset.get("d") == f"M{WIDTH * (verdict.onset_epoch - 1) / 29:.1f},0V{HEIGHT}"
    assert {"a: overfit", f"onset, epoch {verdict.onset_epoch}", "training", "validation"} <= set(words(picture))


def test_what_is_not_finite_is_a_gap_and_nothing_is_no_trouble():
    picture, _ = draw((2.0, 1.5, math.nan, 1.0), (2.0, math.inf, 1.5, 1.2), failure="the loss is not finite")
    assert len(lines(picture, "training")[0]) == len(lines(picture, "validation")[0]) == 3
    assert "a: failed" in words(picture)
    single, _ = draw((2.0,), (2.5,), accuracy=(0.1,))
    assert len(lines(single, "training")[0]) == 1
    nothing = Verdict("undetermined", None, None, None, None, None, None, "No epoch.")
    empty = ET.fromstring(draw_fit(Curves((), (), (), (), repeat=0, failure="out of memory"), nothing, name="x"))
    assert lines(empty, "training") == [[], []]


def test_a_name_is_no_markup():
    picture, _ = draw((2.0, 1.0), (2.0, 1.0), name='<script>alert(1)</script> & "co"')
    assert any(word.startswith('<script>alert(1)</script> & "co":') for word in words(picture))
    assert not list(picture.iter(f"{SVG}script"))
