from __future__ import annotations

import math
from dataclasses import replace

from rfcx_lab.report.fit_figure import draw_fits, fits_figure
from rfcx_lab.verdict import OnsetConfig
from rfcx_lab.verdict.groups import judge_fit, judge_group
from tests.verdict.synthetic import Truth
from tests.verdict.test_groups import broken, logged


def judged(*fits):
    logs = [judge_fit(fit, OnsetConfig()) for fit in fits]
    return judge_group("model", logs), logs


def test_every_fit_has_two_curves_and_its_onset():
    rising = judged(*(logged(Truth(rise=0.3), seed) for seed in range(6)), logged(Truth(), 6))
    panel, other = fits_figure([rising, judged(logged(Truth(), 7))]).axes
    lines = panel.get_lines()
    curves = [line for line in lines if len(line.get_xdata()) == 50]
    assert [line.get_label() for line in curves] == ["training", "validation"] * 7
    assert list(curves[1].get_ydata()) == list(rising[1][0].fit.val)
    dots = [line.get_xdata()[0] for line in lines if line.get_label() == "onset of a fit"]
    assert dots == [log.verdict.onset_epoch for log in rising[1][:6]]
    point, low, high = rising[0].onset_epoch
    [median] = [line for line in lines if line.get_label() == "onset (median)"]
    assert median.get_xdata()[0] == point
    [band] = panel.patches
    assert (band.get_x(), band.get_width()) == (low, (50 if high is None else high) - low)
    assert (
        panel.get_title()
        == f"model\n6 of 7 overfit, median onset {point:g} [{low:g}, {'…' if high is None else f'{high:g}'}]"
    )
    assert (other.get_title(), len(other.get_lines()), len(other.patches)) == ("model\nnot overfit", 2, 0)


def test_a_spike_does_not_flatten_the_panel_and_no_value_is_no_trouble(tmp_path):
    fit = logged(Truth(), 0)
    spike = replace(fit, val=(*fit.val[:-1], 1e6))
    low, high = fits_figure([judged(spike, *(logged(Truth(), seed) for seed in range(1, 6)))]).axes[0].get_ylim()
    assert low < min(fit.val) < high < 10
    nothing = replace(fit, train=(math.nan,), val=(math.inf,), epochs=(1,))
    draw_fits([judged(nothing), judged(broken(1))], path=tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 10_000
