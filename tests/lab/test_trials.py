"""What trials are told, and what a study's trials say of a space to whatever samples it."""

from __future__ import annotations

from pathlib import Path

import pytest
from optuna.trial import TrialState

from rfcx_lab.search.sampler import is_done
from rfcx_lab.search.space import Axis, Space
from rfcx_lab.search.trials import (
    count_trials,
    estimate_study,
    give_back,
    read_history,
    tell_failure,
    tell_margins,
    tell_nothing_learnt,
    visit,
)
from tests.lab.searched import LSTM, OWN, SPACE, ask, drive, margins, open_study


@pytest.mark.parametrize("name", OWN)
def test_what_can_t_be_fitted_is_not_asked_for_again(name: str) -> None:
    study, failed = open_study(name), []
    for trial, architecture in ask(study, count=3):
        tell_failure(study, trial, "out of memory")
        failed.append(SPACE.find(architecture))
    tried = {SPACE.find(architecture) for architecture in drive(study)}
    assert tried and not tried & set(failed)
    assert read_history(study, SPACE).failed == tuple(failed)


@pytest.mark.parametrize("name", OWN)
def test_what_has_learnt_nothing_is_not_asked_for_again_and_has_no_side(name: str) -> None:
    study, nothing = open_study(name), []
    for trial, architecture in ask(study, count=3):
        tell_nothing_learnt(study, trial, value=3.1)
        nothing.append(SPACE.find(architecture))
    tried = {SPACE.find(architecture) for architecture in drive(study)}
    assert tried and not tried & set(nothing)
    history = read_history(study, SPACE)
    assert (history.not_learnt, history.failed, history.foreign) == (tuple(nothing), (), 0)
    assert [t.value for t in study.trials[:3]] == [3.1] * 3
    known = estimate_study(study, SPACE)
    assert known is not None and known.not_learnt == tuple(sorted(nothing))


def test_a_space_where_nothing_learns_ends_the_search() -> None:
    study = open_study("frontier")
    while not is_done(study, SPACE):
        ((trial, _),) = ask(study)
        tell_nothing_learnt(study, trial, value=3.1)
    assert len(read_history(study, SPACE).not_learnt) == len(study.trials) == len(SPACE.cells)
    assert estimate_study(study, SPACE) is None


def test_a_space_where_nothing_can_be_fitted_ends_the_search() -> None:
    study = open_study("frontier")
    for trial, _ in ask(study, count=len(SPACE.cells)):
        tell_failure(study, trial, "out of memory")
    assert is_done(study, SPACE)
    assert estimate_study(study, SPACE) is None


def test_a_trial_is_told_the_distance_from_the_frontier_and_keeps_its_repeats() -> None:
    study = open_study("frontier")
    ((trial, architecture),) = ask(study)
    tell_margins(study, trial, [-0.1, -0.3, 0.1])
    (told,) = study.trials
    assert told.value == pytest.approx(0.1) and told.params == architecture
    (observation,) = read_history(study, SPACE).observations
    assert observation.margins == (-0.1, -0.3, 0.1) and SPACE.cells[observation.cell] == architecture


def test_repeats_that_are_added_are_numbered_on() -> None:
    study = open_study("frontier")
    for _ in range(3):
        study.enqueue_trial({"dense_layers": 1, "lstm_width": 32})
    asked = ask(study, count=3)
    assert [visit(study, SPACE, trial) for trial, _ in asked] == [0, 1, 2]
    assert len({margin for trial, cell in asked for margin in margins(cell, seed=visit(study, SPACE, trial))}) == 9


def test_a_wider_space_takes_over_what_was_tried_and_a_narrower_one_counts_what_it_leaves_out(tmp_path: Path) -> None:
    study = open_study("grid", path=tmp_path / "journal")
    for trial, architecture in ask(study, count=6):
        tell_margins(study, trial, margins(architecture))
    wider = Space((SPACE.axes[0], Axis("lstm_width", (*LSTM.values, 512), log=True)), along="lstm_width")
    again = open_study("grid", wider, path=tmp_path / "journal")
    assert len(read_history(again, wider).observations) == 6
    ((_, architecture),) = ask(again, wider)
    assert architecture == {"dense_layers": 0, "lstm_width": 512}
    narrow = Space((SPACE.axes[0], Axis("lstm_width", (8, 16), log=True)), along="lstm_width")
    history = read_history(again, narrow)
    assert (len(history.observations), history.foreign) == (2, 4)


def test_every_trial_that_was_told_counts_and_none_that_was_given_back() -> None:
    study = open_study("grid")
    (first, architecture), (second, _), (third, _), (fourth, _), _ = ask(study, count=5)  # the last one is running
    tell_margins(study, first, margins(architecture))
    tell_nothing_learnt(study, second, value=3.1)
    tell_failure(study, third, "out of memory")
    give_back(study, fourth.number)
    assert count_trials(study.trials, SPACE) == 4


@pytest.mark.parametrize("told", ["margins", "nothing learnt", "failed", "running"])
def test_whatever_an_architecture_came_to_its_next_trial_has_other_repeats(told: str) -> None:
    study = open_study("frontier")
    for _ in range(2):
        study.enqueue_trial({"dense_layers": 1, "lstm_width": 32})
    (first, architecture), (second, _) = ask(study, count=2)
    if told == "margins":
        tell_margins(study, first, margins(architecture))
    elif told == "nothing learnt":
        tell_nothing_learnt(study, first, value=3.1)
    elif told == "failed":
        tell_failure(study, first, "out of memory")
    assert visit(study, SPACE, second) == 1


def test_failed_trials_of_others_are_no_evidence() -> None:
    study = open_study("frontier")
    ((trial, architecture),) = ask(study)
    study.tell(trial, state=TrialState.FAIL)
    history = read_history(study, SPACE)
    assert not history.seen
    assert ask(study)[0][1] == architecture
