from __future__ import annotations

from typing import Any

import pytest

from rfcx_lab.report.commands import next_command, next_of_sweep, recommended_command

COMMAND = ["+experiment=ladder", "ladder.repeats=3", "training.epochs=50"]


def document(*, established: bool = True, wanted: int | None = None, repeats: int = 3, **changes: Any) -> dict:
    answer = {"established": established, "repeats_wanted": wanted}
    return {
        "begins_to_overfit": {"trained_to_the_end": answer},
        "rungs": [{"repeats": repeats}],
        "recommended": {"rung": "LSTM 32", "epochs": 9},
        "remedies": [],
        **changes,
    }


def test_an_established_answer_leads_to_the_recommended_rung():
    found = next_command(document(), COMMAND)
    assert found.command == (
        "python -m rfcx_lab +experiment=ladder ladder.repeats=3 'ladder.only=[LSTM 32]' training.epochs=9"
    )


@pytest.mark.parametrize(("wanted", "repeats", "more"), [(14, 6, 14), (None, 2, 6), (4, 3, 4)])
def test_an_open_one_leads_to_as_many_repeats_as_would_settle_it(wanted, repeats, more):
    found = next_command(document(established=False, wanted=wanted, repeats=repeats), COMMAND)
    assert found.command == f"python -m rfcx_lab +experiment=ladder training.epochs=50 ladder.repeats={more}"
    assert str(more) in found.purpose


def test_where_no_number_of_repeats_would_do_none_is_asked_for():
    hopeless = document(established=False, repeats=12)
    assert "ladder.only=[LSTM 32]" in next_command(hopeless, COMMAND).command
    nothing = document(established=False, repeats=12, recommended={"rung": None, "epochs": None})
    assert next_command(nothing, COMMAND) is None


def test_a_remedy_is_trained_beside_what_it_is_compared_with():
    remedy = document(
        recommended={"rung": "+ head dropout", "epochs": 5},
        remedies=[{"name": "+ head dropout", "against": "+ Dense 48"}],
    )
    assert "'ladder.only=[+ head dropout,+ Dense 48]' training.epochs=5" in recommended_command(remedy, COMMAND)


SWEEP = ["+experiment=sweep", "sweep.n_trials=6"]


def frontier(*, established: bool, trials: int = 6, sampler: str = "frontier") -> dict:
    return {
        "established": established,
        "space": {"architectures": 24},
        "architectures": [{}] * 24,
        "trials": [{}] * trials,
        "search": {"sampler": sampler},
    }


def test_an_open_frontier_leads_to_more_trials():
    found = next_of_sweep(frontier(established=False), SWEEP, alone=["kind=ladder"])
    assert found.command == "python -m rfcx_lab +experiment=sweep sweep.n_trials=12"
    assert "12 trials" in found.purpose


@pytest.mark.parametrize("sampler", ["grid", "random"])
def test_a_sampler_that_has_seen_all_there_is_hands_over_to_one_that_looks_again(sampler):
    found = next_of_sweep(frontier(established=False, trials=24, sampler=sampler), SWEEP, alone=None)
    assert found.command == "python -m rfcx_lab +experiment=sweep sweep.n_trials=30 sweep.sampler=frontier"


def test_a_known_frontier_leads_to_what_is_recommended():
    found = next_of_sweep(frontier(established=True), SWEEP, alone=["kind=ladder", "training.epochs=9"])
    assert found.command == "python -m rfcx_lab kind=ladder training.epochs=9"
    assert next_of_sweep(frontier(established=True), SWEEP, alone=None) is None
