"""What a study of the length may claim, and what not."""

from __future__ import annotations

import numpy as np
import pytest

from rfcx_lab.errors import LabError
from rfcx_lab.verdict.curves import Curves
from rfcx_lab.verdict.length import CLAIMS, DRAWN, SHARES, PipelineRecord, judge_pipelines, tell_length
from rfcx_lab.verdict.shares import Draw, mean_difference, mean_share


def pipeline(name, *, true, swapped, donor, noise, repeats=4, majority=0.08, epochs=120):
    draw = np.random.default_rng(0)

    def around(value):
        return [float(value + shift) for shift in draw.normal(0, 0.005, repeats)]

    shares = dict(zip(SHARES, map(around, (true, swapped, true, swapped, 0.04, donor)), strict=True))
    noise = around(noise)
    curves = [
        Curves(*([[value] * epochs] * 2), *([np.linspace(0, value, epochs)] * 2), repeat=repeat)
        for repeat, value in enumerate(noise)
    ]
    return PipelineRecord(
        name, 50, epochs, shares, rows=200, within_rows=150, validation_fraction=0.25, noise=noise, noise_rows=300,
        noise_fraction=0.25, majority=majority, draws=dict.fromkeys(DRAWN, Draw(0.0004, 150)), curves=curves,
    )  # fmt: skip


READS = pipeline("reader", true=0.9, swapped=0.05, donor=0.85, noise=0.7)
HEARS = pipeline("listener", true=0.6, swapped=0.6, donor=0.04, noise=0.08)


def established(verdict):
    return [name for name in CLAIMS if verdict.claims[name].established]


def test_reader_is_told_from_listener():
    reader, listener = judge_pipelines([READS, HEARS])
    assert established(reader) == list(CLAIMS)
    assert established(listener) == []
    cost = reader.claims["swap_costs"].mean
    assert cost[0] == pytest.approx(0.85, abs=0.02)
    assert cost[1] > 0.8


def test_a_worse_accuracy_than_the_majority_is_no_claim():
    [verdict] = judge_pipelines([pipeline("worse", true=0.1, swapped=0.6, donor=0.0, noise=0.01)])
    assert verdict.claims["beats_majority"].p < 0.05
    assert established(verdict) == []


def test_what_so_few_calls_can_not_tell_is_not_claimed():
    """Repeats that agree to the digit are no evidence beyond the calls that they were measured on, however many."""
    same = pipeline("same", true=0.5, swapped=0.5, donor=0.04, noise=0.11, repeats=12)
    record = PipelineRecord(**{**vars(same), "noise": [0.11] * 12})
    [verdict] = judge_pipelines([record])
    mean, low, high = verdict.claims["beats_majority"].mean
    assert (mean, high - mean) == pytest.approx((0.03, 1.976 * 0.02), abs=1e-4)  # t of 149, sqrt(0.0004)
    assert high - mean == pytest.approx(mean - low)
    assert verdict.claims["beats_majority"].p > 0.1
    assert established(verdict) == []
    assert verdict.noise[1] < 0.08 < 0.15 < verdict.noise[2]


def test_where_no_box_lies_within_its_swapped_one_nothing_is_said_of_such_calls():
    shares = {**READS.shares, "within_true": [], "within_swapped": []}
    [verdict] = judge_pipelines([PipelineRecord(**{**vars(READS), "shares": shares, "within_rows": 0})])
    assert verdict.shares["within_true"] is None
    assert vars(verdict.claims["swap_costs"]) == {"mean": None, "p": None, "established": False}
    assert established(verdict) == ["follows_length", "beats_majority"]


def test_each_mean_is_of_its_own_calls_and_all_claims_are_one_family():
    weak = pipeline("weak", true=0.5, swapped=0.45, donor=0.09, noise=0.13)
    weak = PipelineRecord(**{**vars(weak), "noise_rows": 30, "noise_fraction": 0.4})
    judged = judge_pipelines([weak, HEARS])
    within = [one - other for one, other in zip(weak.shares["within_true"], weak.shares["within_swapped"], strict=True)]
    above = [one - weak.majority for one in weak.noise]
    mean, p = mean_difference(above, weak.draws["noise"], validation_fraction=0.4, confidence=0.95)
    least = mean_difference(within, weak.draws["noise"], validation_fraction=0.25, confidence=0.95)[1]
    claims = [claim for verdict in judged for claim in verdict.claims.values()]
    assert claims[2].mean == mean
    assert min(claim.p for claim in claims) == pytest.approx(6 * min(p, least))
    assert judged[0].noise == mean_share(
        weak.noise, weak.draws["noise"], rows=30, validation_fraction=0.4, confidence=0.95
    )
    assert judged[0].shares["within_true"] == mean_share(
        weak.shares["within_true"], weak.draws["true"], rows=150, validation_fraction=0.25, confidence=0.95
    )


def test_two_repeats_claim_nothing():
    [verdict] = judge_pipelines([pipeline("few", true=0.9, swapped=0.05, donor=0.85, noise=0.7, repeats=2)])
    assert [claim.p for claim in verdict.claims.values()] == [None] * 3
    assert established(verdict) == []


def test_the_way_on_noise_is_told_at_milestones():
    [verdict] = judge_pipelines([READS])
    assert [epoch for epoch, _ in verdict.on_the_way] == [50, 100, 120]
    assert verdict.on_the_way[-1][1][0] == pytest.approx(np.mean(READS.noise))


def test_a_model_that_collapses_is_told_at_its_best_too():
    record = pipeline("collapsing", true=0.1, swapped=0.1, donor=0.04, noise=0.08)
    losses, accuracies = [3.2] * 73 + [2.9] + [3.2] * 46, [0.08] * 73 + [0.13] + [0.08] * 46
    curves = [Curves(losses, losses, accuracies, accuracies, repeat) for repeat in range(4)]
    verdicts = judge_pipelines([PipelineRecord(**{**vars(record), "curves": curves})])
    assert verdicts[0].noise_best_epoch == (74, 74, 74)
    assert verdicts[0].noise_best_accuracy == pytest.approx((0.13, 0.13, 0.13))
    assert "beats_majority" not in established(verdicts[0])
    told = tell_length(verdicts, chance=0.04, table="boxes")
    assert "makes 8.0 % (13.0 % [13.0, 13.0] of the validation calls at the lowest loss, about epoch 74)." in told


def test_words_claim_what_is_established_and_no_more():
    told = tell_length(judge_pipelines([READS, HEARS]), chance=0.04, table="the 9 boxes of a table")
    reader, listener = told.split("Listener, 50 epochs: ")
    said = (
        "Shown to read the length of the box: reader. Not shown to: listener. Over 4 repeats, and 4 on noise; chance is"
    )
    assert reader.startswith(f"{said} 4.0 %. Reader, 50 epochs: 90.1 % [")
    assert "after 120 epochs on white noise under the 9 boxes of a table" in reader
    assert "where the most frequent species makes 8.0 %" in reader
    assert "Shown: swapped lengths cost it accuracy" in reader
    assert "Not shown:" not in reader
    assert "Shown:" not in listener.replace("Not shown:", "")
    assert listener.count("; ") == 3  # one amid the figures, two between what is not shown


def test_a_swap_that_costs_does_not_by_itself_show_that_the_length_is_read():
    [verdict] = judge_pipelines([pipeline("disturbed", true=0.6, swapped=0.3, donor=0.04, noise=0.08)])
    assert established(verdict) == ["swap_costs"]
    told = tell_length([verdict], chance=0.04, table="boxes")
    assert told.startswith("Shown to read the length of the box: no pipeline. Not shown to: disturbed. Over 4 ")
    assert "Shown: swapped lengths cost it accuracy where no sound is lost." in told


def test_shares_of_different_repeats_are_refused():
    with pytest.raises(LabError, match="reader: the shares must be true, swapped"):
        PipelineRecord(**{**vars(READS), "shares": {**READS.shares, "true": [0.5]}})
    with pytest.raises(LabError, match="reader: the draws must be those of true, swapped"):
        PipelineRecord(**{**vars(READS), "draws": {}})
