"""Drivers that share the trials of a study in a PostgreSQL database."""

from __future__ import annotations

import threading
from contextlib import nullcontext

import pytest
from optuna.trial import TrialState

from rfcx_lab.lab.sweep_plan import plan_sweep
from rfcx_lab.search import claims
from rfcx_lab.search.claims import Claims
from rfcx_lab.search.search import Search
from rfcx_lab.search.trial_store import open_study
from tests.conftest import TOY, compose_config
from tests.lab.shared import SIZE


@pytest.fixture
def open_search(postgres, make_runs, tmp_path):
    """Drivers of one study, in this process."""
    plan = plan_sweep(compose_config(*TOY, *SIZE, "engine=inline", f"runs_dir={make_runs()}", "sweep.sampler=random"))
    url = postgres.url("lab")

    def make(study: str, driver: str, **sweep) -> Search:
        config = plan.config.sweep
        for key, value in {"storage": url, **sweep}.items():
            setattr(config, key, value)
        opened = open_study(url, name=study, identity=plan.identity)
        claim = Claims(opened, driver, storage=url, patience=config.patience)
        return Search(
            opened,
            plan.space,
            config,
            claims=claim,
            seed=0,
            overlap=plan.overlap,
            build=plan.rung,
            figures=tmp_path / "figures",
        )

    return make


@pytest.mark.parametrize("locked", [True, False], ids=["with the lock", "without"])
def test_drivers_that_ask_at_once_never_ask_for_too_many(locked, open_search, monkeypatch):
    """Without the lock, as when the database breaks off under it, the one that came too late gives back."""
    if not locked:
        monkeypatch.setattr(claims, "alone_in", lambda *storage, **patience: nullcontext())
    study, gate, batches = f"raced {locked}", threading.Barrier(3), []
    searches = [open_search(study, driver, n_trials=4, at_once=2) for driver in "abc"]

    def ask(search: Search) -> None:
        gate.wait()
        batches.extend(search._ask()[0])

    for _ in range(3):  # of a driver's batches
        threads = [threading.Thread(target=ask, args=[search]) for search in searches]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    kept = {asked.number for asked in batches}
    assert len(kept) == 4
    assert len({asked.cell for asked in batches}) == 4 or not locked
    running = [t.number for t in searches[0]._study.trials if t.state == TrialState.RUNNING]
    assert set(running) == kept
    if locked:
        assert running == [0, 1, 2, 3]


def test_a_running_trial_is_left_to_its_driver_for_as_long_as_it_lives(open_search, monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr(claims, "_now", lambda: now[0])
    one, two = (open_search("lived", driver, patience=10.0) for driver in "ab")
    one.claims._beat()
    batch = one._ask()[0]
    trials = [asked.number for asked in batch]
    assert len(trials) == 2

    def taken_by_two() -> list[int]:
        two.claims.look()
        return [trial.number for trial in two._running() if two.claims.may_take_up(trial)]

    for _ in range(5):
        assert taken_by_two() == []
        now[0] += 19
        assert taken_by_two() == []
        one.claims._beat()
    assert taken_by_two() == []
    now[0] += 21
    assert taken_by_two() == trials
    one.claims._beat()  # it was but suspended
    assert taken_by_two() == []
    one.claims._set_beat(None)  # it leaves
    assert taken_by_two() == trials
    taken = two._ask()[0]
    assert [(asked.number, asked.cell, asked.repeats) for asked in taken] == [
        (asked.number, asked.cell, asked.repeats) for asked in batch
    ]
    told = {"margins": [0.1, 0.2], "notes": {}, "curves": [], "standing": "Told."}
    one.tell(batch[0], value=1.0, **told)
    assert "another driver has taken it over" in capsys.readouterr().out
    for value in (2.0, 3.0):  # the answer to the first call was lost
        two.tell(taken[0], value=value, **told)
    first, second = one._study.trials
    assert (first.state, first.value, second.state) == (TrialState.COMPLETE, 2.0, TrialState.RUNNING)
