"""The samplers on real studies: in memory and in a journal file, side by side, killed and resumed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from rfcx_lab.errors import LabError
from rfcx_lab.search.sampler import SAMPLERS, is_done, make_sampler
from rfcx_lab.search.space import Architecture, Space
from rfcx_lab.search.trials import estimate_study, give_back, read_history, tell_margins, visit
from rfcx_lab.verdict.acquisition import next_cells
from rfcx_lab.verdict.frontier import ALL_OVERFIT, FOUND
from tests.conftest import ROOT
from tests.lab.searched import CONDITIONAL, OWN, SPACE, ask, drive, margins, open_study


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
from rfcx_lab.search.trials import tell_margins
from tests.lab.searched import ask, margins, open_study

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


def test_the_sampler_asks_for_what_the_estimator_chooses() -> None:
    study = open_study("frontier")
    for _ in range(10):
        chosen = next_cells(SPACE.grid, read_history(study, SPACE).observations)
        ((trial, architecture),) = ask(study)
        assert SPACE.cells[chosen[0]] == architecture
        tell_margins(study, trial, margins(architecture, seed=visit(study, SPACE, trial)))


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
