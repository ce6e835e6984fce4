"""A sweep from end to end, with fits that take no time and whose frontier is known."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise

import pytest
from optuna.trial import TrialState

from rfcx_lab.errors import LabError
from rfcx_lab.lab.ladder import climb_ladder
from tests import fakes
from tests.lab.outcome import runs_of
from tests.lab.sweeps import CELLS, REPEATS, begun, study_of, sweep, trials_of


def test_the_frontier_that_was_planted_is_found_with_fewer_trials_than_a_grid(make_sweep_config, tmp_path):
    space = ("sweep.space.lstm_width.values=[4,8,16,32,64,128]", "sweep.space.dense_layers.values=[0,1,2,3]")
    config = make_sweep_config(*space, "sweep.repeats=3")
    document = sweep(config, tmp_path / "out").document
    assert document["status"] == "found"
    assert len(document["trials"]) <= config.sweep.n_trials < len(document["architectures"]) == 24
    for cell in document["architectures"]:
        beyond = fakes.beyond_frontier(cell["values"]["lstm_width"], cell["values"]["dense_layers"])
        if abs(beyond) > 1:  # of a doubling
            assert (cell["overfit_probability"] > 0.5) == (beyond > 0), cell["name"]
    values = [crossing["value"] for crossing in document["crossings"]]
    assert all(a > b for a, b in pairwise(values))
    assert document["answer"].startswith("Models of these data, trained for 14 epochs, begin to overfit with no dense")


def test_a_sweep_ends_at_the_tolerance_it_was_asked_for(make_sweep_config, tmp_path):
    document = sweep(make_sweep_config("sweep.tolerance=2"), tmp_path / "out").document
    assert document["tolerance"] == 2
    assert "only those at most 2 from it are in doubt" in document["reason"]


@pytest.mark.parametrize("along", ["lstm_width", "dense_layers"])
def test_a_space_of_one_axis_has_a_frontier_too(along, make_sweep_config, tmp_path):
    other = {"lstm_width": "dense_layers.values=[0]", "dense_layers": "lstm_width.values=[16]"}[along]
    config = make_sweep_config(f"sweep.along={along}", f"sweep.space.{other}", "sweep.sampler=grid")
    document = sweep(config, tmp_path / "out").document
    assert [crossing["status"] for crossing in document["crossings"]] == ["found"]
    assert set(document["importance"]) == {along}
    assert "matters most" not in document["answer"] and "depends most" not in document["answer"]


def test_a_fit_known_from_a_ladder_is_not_repeated(make_sweep_config, tmp_path, diary):
    ladder = ("ladder.rungs=[{name: a, lstm: [4]}, {name: b, lstm: [64], dense: [64, 64, 64]}]", "ladder.repeats=2")
    climb_ladder(
        make_sweep_config("kind=ladder", "name=first", *ladder, "ladder.only=[]", "ladder.extend=false"),
        tmp_path / "ladder",
        fit=fakes.fit_with_frontier,
    )
    known = begun(diary)
    assert known == 2 * REPEATS
    document = sweep(make_sweep_config("sweep.sampler=grid"), tmp_path / "out").document
    assert len(document["trials"]) == CELLS
    assert begun(diary) == CELLS * REPEATS


def test_a_rerun_adds_only_what_is_missing(make_sweep_config, tmp_path, diary):
    few = make_sweep_config("sweep.sampler=random", "sweep.n_trials=2")
    sweep(few, tmp_path / "one")
    assert begun(diary) == 2 * REPEATS
    before, ids = trials_of(few.sweep.storage), {run.info.run_id for run in runs_of(few.tracking.uri)}
    again = sweep(few, tmp_path / "two").document
    assert again == json.loads((tmp_path / "one" / "frontier.json").read_text())
    assert begun(diary) == 2 * REPEATS
    assert {run.info.run_id for run in runs_of(few.tracking.uri)} == ids
    sweep(make_sweep_config("sweep.sampler=random", "sweep.n_trials=5", "sweep.at_once=4"), tmp_path / "three")
    after = trials_of(few.sweep.storage)
    assert after[:2] == before
    assert len(after) == 5
    assert begun(diary) == 5 * REPEATS


def test_an_architecture_that_comes_again_is_fitted_over_other_repeats(make_sweep_config, tmp_path, diary):
    space = ("sweep.space.lstm_width.values=[16,32]", "sweep.space.dense_layers.values=[0]")
    config = make_sweep_config(*space, "sweep.sampler=tpe", "sweep.n_trials=5")
    document = sweep(config, tmp_path / "out").document
    for cell in document["architectures"]:
        own = [trial["repeats"] for trial in document["trials"] if trial["number"] in cell["trials"]]
        assert sorted(r for some in own for r in some) == list(range(REPEATS * len(own)))
        if own:
            assert cell["observed"]["repeats"] == REPEATS * len(own)
    assert begun(diary) == len(set(diary.read_text().splitlines())) == 5 * REPEATS


def test_a_database_in_the_place_of_the_file(make_sweep_config, tmp_path):
    url = f"sqlite:///{tmp_path / 'optuna.db'}"
    config = make_sweep_config(f"sweep.storage={url}")
    document = sweep(config, tmp_path / "out").document
    assert [trial[3] for trial in trials_of(url)] == [trial["value"] for trial in document["trials"]]


# Failures


def test_a_fit_that_failed_stays_counted_in_a_rerun(make_sweep_config, tmp_path):
    config = make_sweep_config("sweep.sampler=grid", "sweep.repeats=3")
    seeds: list[int] = []

    def fit(rung, **options):
        seeds.append(options["seed"])
        if options["seed"] == seeds[0] and len(rung.dense) == 3:
            raise MemoryError("no room")
        return fakes.fit_with_frontier(rung, **options)

    first = sweep(config, tmp_path / "one", fit=fit).document
    again = sweep(config, tmp_path / "two", fit=fit).document
    assert again == first
    failed = [cell["observed"] for cell in again["architectures"] if cell["values"]["dense_layers"] == 3]
    assert [(seen["repeats"], seen["left_out"]) for seen in failed] == [(3, 1)] * 3


def test_an_architecture_that_can_not_be_fitted_fails_its_trial_and_the_search_goes_on(
    make_sweep_config, tmp_path, diary
):
    def fit(rung, **options):
        if rung.lstm == [64]:
            raise MemoryError
        return fakes.fit_with_frontier(rung, **options)

    config = make_sweep_config("sweep.n_trials=12")
    document = sweep(config, tmp_path / "out", fit=fit).document
    failed = [trial for trial in document["trials"] if trial["state"] == "failed"]
    assert 1 <= len(failed) <= 2
    assert all(trial["values"]["lstm_width"] == 64 and trial["reason"] == "out of memory" for trial in failed)
    states = Counter(t.state for t in study_of(config.sweep.storage).trials)
    assert states == {TrialState.COMPLETE: len(document["trials"]) - len(failed), TrialState.FAIL: len(failed)}
    before = begun(diary)
    assert sweep(config, tmp_path / "two", fit=fit).document["trials"] == document["trials"]
    assert begun(diary) == before


def test_every_fit_failing_is_said_and_costs_no_trial(sweep_config, tmp_path, capsys):
    def fit(rung, **options):
        raise OSError("no such device")

    with pytest.raises(LabError, match="Every fit failed, the first one because: OSError: no such device"):
        sweep(sweep_config, tmp_path / "one", fit=fit)
    asked = [(t.number, t.params) for t in study_of(sweep_config.sweep.storage).trials]
    capsys.readouterr()
    document = sweep(sweep_config, tmp_path / "two").document
    assert "known from earlier runs" not in capsys.readouterr().out  # what was left running is still to be fitted
    trials = study_of(sweep_config.sweep.storage).trials
    assert [(t.number, t.params) for t in trials][: len(asked)] == asked
    assert {t.state for t in trials} == {TrialState.COMPLETE}
    assert len(document["trials"]) == len(trials)
