from __future__ import annotations

from typing import Any

import pytest

from rfcx_lab.report.commands import next_command, next_of_length, next_of_sweep, recommended_command, spell_change
from tests.conftest import compose_config

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


def lengths(*, status: str = "red", mean: float = 0.3, established: bool = False) -> dict:
    claim = {"mean": [mean, None, None], "established": established}
    costs = {"mean": [0.3, None, None], "established": False}  # a swap that costs does not show that the length is read
    claims = {"swap_costs": costs, "follows_length": claim, "beats_majority": claim}
    one = {"audit": {"frames_status": status}, "claims": claims, "repeats": 4, "noise_repeats": 3}
    return {"pipelines": [one]}


def test_more_repeats_are_asked_for_where_a_length_that_is_seen_may_be_read():
    found = next_of_length(lengths(), ["+experiment=length", "steps.repeats=4"])
    assert found.command == "python -m rfcx_lab +experiment=length steps.repeats=8 length.repeats=6"
    assert "8 repeats, and 6 on noise" in found.purpose


@pytest.mark.parametrize("changes", [{"status": "green"}, {"mean": -0.1}, {"established": True}])
def test_nothing_is_asked_for_where_the_length_is_hidden_or_all_is_said(changes):
    assert next_of_length(lengths(**changes), ["+experiment=length"]) is None


def test_what_a_step_sets_is_read_back_as_it_was_written():
    change = {
        "window": {"kind": "fixed", "seconds": 1.0, "frames": None, "padding": "end"},
        "features": {"time_major": False, "n_mels": 40, "mel_rate": None},
        "split": {"group": "a column, and more"},
    }
    config = compose_config("+experiment=mended", *(f"{key}={value}" for key, value in spell_change(change).items()))
    for section, values in change.items():
        assert {key: getattr(getattr(config, section), key) for key in values} == values
