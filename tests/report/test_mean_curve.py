from __future__ import annotations

import re

import pytest

from rfcx_lab.report.mean_curve import mean_over_repeats
from rfcx_lab.report.trial_drawing import draw_trial
from rfcx_lab.verdict import Curves


def fit(*losses: float, failure: str | None = None) -> Curves:
    return Curves(losses, losses, None, None, 0, failure, settled=len(losses) < 4)


def test_the_mean_ends_where_the_first_fit_ends():
    assert mean_over_repeats([fit(4, 2, 2, 2), fit(2, 4)], "val_loss") == pytest.approx([3, 3])


def test_a_failed_fit_is_no_part_of_it_even_while_it_lasts():
    broken = fit(9, 9, failure="the loss is not finite")
    assert mean_over_repeats([fit(4, 2, 2, 2), fit(2, 4, 4, 4), broken], "val_loss") == pytest.approx([3, 3, 3, 3])
    assert not mean_over_repeats([broken], "val_loss").size


def test_a_trial_s_thick_lines_end_there_too():
    drawing = draw_trial("LSTM 4", [fit(4, 2, 2, 2), fit(2, 4), fit(2, 4, 4)], onset=None)
    plot = drawing.split("clip-path=")[1]
    thick = re.findall(r'd="(\S+ [^"]+)" stroke="\S+" stroke-width="2.5"', plot)
    assert [path.count("L") for path in thick] == [1, 1]
