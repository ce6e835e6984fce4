"""What the script counts, on the ladder on record and on curves of known truth."""

from __future__ import annotations

import pytest
from epochs_saved import DEFAULT, main, saved
from epochs_saved_truth import cut_families, cut_ladder, wilson

from rfcx_lab.verdict.config import SettledConfig
from rfcx_lab.verdict.record import read_record


@pytest.fixture(scope="module")
def ladder():
    return cut_ladder(read_record(DEFAULT), SettledConfig())


def test_real_recordings_lose_no_best_loss_and_no_side_of_the_margin(ladder):
    assert len(ladder.cuts) == 48
    assert sum(cut.agrees for cut in ladder.cuts) >= 0.95 * 48
    assert all(cut.best_kept for cut in ladder.cuts)
    assert saved([cut for cut in ladder.cuts if cut.status == "overfit"]) >= 0.4
    for rung in ladder.margins:
        assert (sum(rung.whole) > 0) == (sum(rung.cut) > 0), rung.name
    whole, cut, _ = ladder.frontier
    assert whole == cut


def test_a_rule_that_ends_nothing_changes_nothing():
    never = cut_ladder(read_record(DEFAULT), SettledConfig(after=1000))
    assert not any(cut.ended for cut in never.cuts)
    assert all(rung.whole == rung.cut for rung in never.margins)
    assert saved(never.cuts) == 0


def test_what_never_learns_or_improves_to_the_end_is_not_ended():
    for cut in cut_families(SettledConfig(), per_family=3, epochs=50, seed=1):
        if cut.rung in ("never learning", "improving"):
            assert not cut.ended


def test_wilson():
    assert wilson(95, 100) == pytest.approx((0.8882, 0.9785), abs=1e-4)  # Newcombe 1998's formula, by hand
    assert wilson(10, 10)[1] == 1.0


def test_the_script_says_whether_its_aims_are_met(capsys):
    assert main([]) == 0
    said = capsys.readouterr().out
    assert said.rstrip().endswith("met")
    assert main(["--after=1000"]) == 1
    assert capsys.readouterr().out.rstrip().endswith("MISSED")
