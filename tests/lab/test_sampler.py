"""The samplers on real studies: in memory and in a journal file, side by side, killed and resumed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from rfcx_lab.errors import LabError
from rfcx_lab.lab.sampler import SAMPLERS, is_done, make_sampler
from rfcx_lab.lab.space import Architecture, Axis, Space
from rfcx_lab.lab.trials import (
    DIRECTION,
    estimate_study,
    give_back,
    read_history,
    tell_failure,
    tell_margins,
    tell_nothing_learnt,
    visit,
)
from rfcx_lab.verdict.acquisition import next_cells
from rfcx_lab.verdict.frontier import ALL_OVERFIT, FOUND
from tests.conftest import ROOT

LSTM = Axis("lstm_width", (8, 16, 32, 64, 128, 256), log=True)
SPACE = Space((Axis("dense_layers", (0, 1, 2, 3)), LSTM), along="lstm_width")
CONDITIONAL = Space(
    (
        Axis("dense_layers", (0, 1, 2)),
        Axis("dense_width", (16, 64, 256), log=True, parent="dense_layers", when=(1, 2)),
        LSTM,
    ),
    along="lstm_width",
)
OWN = [name for name in SAMPLERS if name != "tpe"]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(before)


def margins(architecture: Architecture, *, seed: int = 0) -> list[float]:
    """Overfits from a width of 64 without dense layers, from 23 with two."""
    margin = 0.15 * (np.log2(architecture["lstm_width"]) - 5.6 + 0.75 * architecture["dense_layers"])
    rng = np.random.default_rng([seed, *map(int, architecture.values())])
    return list(margin + rng.normal(0, 0.03, 3))


def open_study(name: str, space: Space = SPACE, *, seed: int = 1, path: Path | None = None) -> optuna.Study:
    return optuna.create_study(
        study_name="sweep",
        storage=None if path is None else JournalStorage(JournalFileBackend(str(path))),
        sampler=make_sampler(name, space, seed=seed),
        direction=DIRECTION,
        load_if_exists=True,
    )


def ask(study: optuna.Study, space: Space = SPACE, *, count: int = 1) -> list[tuple[optuna.Trial, Architecture]]:
    asked = [study.ask() for _ in range(count)]  # all before any suggests a value
    return [(trial, space.suggest(trial)) for trial in asked]


def drive(study: optuna.Study, space: Space = SPACE, *, batch: int = 1, most: int = 80) -> list[Architecture]:
    """Ask and tell until it is done; the architectures in order."""
    tried: list[Architecture] = []
    while not is_done(study, space) and len(tried) < most:
        for trial, architecture in ask(study, space, count=batch):
            tell_margins(study, trial, margins(architecture, seed=visit(study, space, trial)))
            tried.append(architecture)
    return tried


@pytest.mark.parametrize("space", [SPACE, CONDITIONAL], ids=["plain", "conditional"])
@pytest.mark.parametrize("batch", [1, 4])
def test_frontier_is_found_in_part_of_the_space_and_the_search_stops(space: Space, batch: int) -> None:
    study = open_study("frontier", space)
    tried = drive(study, space, batch=batch)
    known = estimate_study(study, space)
    assert known is not None and known.status == FOUND and known.settled
    assert len(tried) <= len(space.cells) / 2
    for column, crossing in zip(space.grid.columns, known.crossings, strict=True):
        true = 2.6 - 0.75 * space.cells[column[0]]["dense_layers"]
        assert crossing.position == pytest.approx(true, abs=0.7)


@pytest.mark.parametrize("name", ["grid", "random"])
@pytest.mark.parametrize("space", [SPACE, CONDITIONAL], ids=["plain", "conditional"])
def test_grid_and_random_try_every_cell_once_and_end(name: str, space: Space) -> None:
    tried = [space.find(architecture) for architecture in drive(open_study(name, space), space, batch=3)]
    assert sorted(tried, key=str) == sorted(range(len(space.cells)), key=str)
    assert (tried == list(range(len(space.cells)))) == (name == "grid")


@pytest.mark.parametrize("space", [SPACE, CONDITIONAL], ids=["plain", "conditional"])
def test_tpe_stays_on_the_grid_and_closes_in_on_the_frontier(space: Space) -> None:
    study = open_study("tpe", space)
    cells = [space.find(architecture) for architecture in drive(study, space, most=60)]
    assert len(cells) == 60 and None not in cells  # it never says that it is done
    values = [trial.value for trial in study.trials if trial.value is not None]
    assert np.mean(values[30:]) < 0.75 * np.mean(values[:10])


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("told", [0, 5])
def test_trials_asked_for_side_by_side_never_meet(name: str, told: int, tmp_path: Path) -> None:
    study = open_study(name, CONDITIONAL, path=tmp_path / "journal")
    for trial, architecture in ask(study, CONDITIONAL, count=told):
        tell_margins(study, trial, margins(architecture))
    side_by_side = [CONDITIONAL.find(architecture) for _, architecture in ask(study, CONDITIONAL, count=6)]
    assert len(set(side_by_side)) == 6 and None not in side_by_side


@pytest.mark.parametrize("name", OWN)
def test_more_workers_than_cells_are_no_reason_to_ask_twice(name: str) -> None:
    study, asked = open_study(name), []
    while not is_done(study, SPACE):
        asked += ask(study)
    assert len({SPACE.find(architecture) for _, architecture in asked}) == len(asked) == len(SPACE.cells)
    for trial, architecture in asked:
        tell_margins(study, trial, margins(architecture))
    assert is_done(study, SPACE)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_seed_decides_all(name: str) -> None:
    first, again, other = (drive(open_study(name, seed=seed), batch=2, most=20) for seed in (1, 1, 2))
    assert first == again
    assert (first == other) == (name in ("frontier", "grid"))  # which draw no lots


@pytest.mark.parametrize("name", OWN)
def test_a_restarted_driver_goes_on_as_if_nothing_had_been(name: str, tmp_path: Path) -> None:
    undisturbed = drive(open_study(name))
    tried: list[Architecture] = []
    while not is_done(study := open_study(name, path=tmp_path / "journal"), SPACE):  # opened anew for every trial
        ((trial, architecture),) = ask(study)
        tell_margins(study, trial, margins(architecture, seed=visit(study, SPACE, trial)))
        tried.append(architecture)
    assert tried == undisturbed


DRIVER = """
import sys
import time
from pathlib import Path
from tests.lab.test_sampler import ask, margins, open_study, tell_margins

study = open_study(sys.argv[1], path=Path(sys.argv[2]))
for _ in range(4):
    ((trial, architecture),) = ask(study)
    tell_margins(study, trial, margins(architecture))
ask(study, count=2)
study.ask()  # and one that knows no value yet
print("asked", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("name", OWN)
def test_what_a_killed_driver_left_running_is_asked_for_again(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", DRIVER, name, str(tmp_path / "journal")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None and driver.stdout.readline() == "asked\n"
        os.kill(driver.pid, signal.SIGKILL)

    study = open_study(name, path=tmp_path / "journal")
    history = read_history(study, SPACE)
    assert len(history.observations) == 4 and len(set(history.pending)) == 3
    assert give_back_running(study) == 3
    told = {observation.cell for observation in history.observations}
    next_three = [SPACE.find(architecture) for _, architecture in ask(study, count=3)]
    assert next_three == list(history.pending) and not set(next_three) & told
    assert give_back_running(study) == 3
    assert drive(study)
    undisturbed, resumed = (estimate_study(s, SPACE) for s in (_driven(name), study))
    assert undisturbed is not None and resumed is not None
    assert [c.position for c in resumed.crossings] == pytest.approx([c.position for c in undisturbed.crossings])


def give_back_running(study: optuna.Study) -> int:
    running = study.get_trials(states=(TrialState.RUNNING,))
    for trial in running:
        give_back(study, trial.number)
    return len(running)


def _driven(name: str) -> optuna.Study:
    study = open_study(name)
    drive(study)
    return study


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


@pytest.mark.parametrize("name", OWN)
def test_optimize_stops_by_itself(name: str) -> None:
    def fit(trial: optuna.Trial) -> float:
        architecture = SPACE.suggest(trial)
        trial.set_user_attr("margins", margins(architecture))
        return 0.0

    study, asked = open_study(name), open_study(name)
    study.optimize(fit, n_trials=80)
    drive(asked)
    assert is_done(study, SPACE)
    assert [trial.params for trial in study.trials] == [trial.params for trial in asked.trials]


def test_a_space_without_frontier_is_said_to_have_none() -> None:
    study = open_study("frontier")
    while not is_done(study, SPACE):
        ((trial, architecture),) = ask(study)
        tell_margins(study, trial, [margin + 1.0 for margin in margins(architecture)])
    known = estimate_study(study, SPACE)
    assert known is not None and known.status == ALL_OVERFIT and known.trials <= 8


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


def test_the_sampler_asks_for_what_the_estimator_chooses() -> None:
    study = open_study("frontier")
    for _ in range(10):
        chosen = next_cells(SPACE.grid, read_history(study, SPACE).observations)
        ((trial, architecture),) = ask(study)
        assert SPACE.cells[chosen[0]] == architecture
        tell_margins(study, trial, margins(architecture, seed=visit(study, SPACE, trial)))


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


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: make_sampler("cmaes", SPACE, seed=0), "sampler=cmaes: must be one of frontier, grid, random, tpe"),
        (lambda: _suggest_unknown(), "has no learning_rate"),
        (lambda: _enqueue_part(), "must name every parameter"),
        (lambda: tell_margins(study := open_study("grid"), ask(study)[0][0], [float("nan")]), "finite"),
    ],
    ids=["sampler", "parameter", "enqueued", "margins"],
)
def test_what_is_wrong_is_told_in_a_sentence(wrong: Callable[[], object], said: str) -> None:
    with pytest.raises(LabError, match=said):
        wrong()


def _suggest_unknown() -> None:
    open_study("frontier").ask().suggest_float("learning_rate", 0.1, 0.2)


def _enqueue_part() -> None:
    study = open_study("frontier")
    study.enqueue_trial({"lstm_width": 8})
    ask(study)


def test_failed_trials_of_others_are_no_evidence() -> None:
    study = open_study("frontier")
    ((trial, architecture),) = ask(study)
    study.tell(trial, state=TrialState.FAIL)
    history = read_history(study, SPACE)
    assert not history.seen
    assert ask(study)[0][1] == architecture
