"""Sweeps whose trials lie in a PostgreSQL database and whose curves in an MLflow server: shared, killed, restarted."""

from __future__ import annotations

import json
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from wsgiref.util import setup_testing_defaults

import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from rfcx_lab.search.dashboard import make_app
from rfcx_lab.search.trial_store import open_study
from tests import fakes
from tests.conftest import ROOT, TOY
from tests.lab.driver import Moment, said, start_driver
from tests.lab.outcome import assert_view_is_whole, runs_of
from tests.lab.servers import PASSWORD, MlflowServer
from tests.lab.shared import (
    QUICK,
    SIZE,
    SLOW,
    TRIALS,
    Servers,
    assert_whole,
    begun,
    database,
    document_of,
    finish,
    heard,
    kill_a_worker,
    streamed,
    trials_of,
    wait_for,
)
from tests.lab.sweeps import REPEATS


@pytest.fixture(scope="module")
def servers(postgres, tmp_path_factory) -> Iterator[Servers]:
    store = postgres.url("mlflow").replace("postgresql", "postgresql+psycopg")
    mlflow = MlflowServer(store, tmp_path_factory.mktemp("mlflow") / "server")
    try:
        start_driver(
            tmp_path_factory.mktemp("warm") / "runs", "seed=-1"
        ).join()  # meanwhile, what drivers are forked from
        mlflow.await_answer()
        yield Servers(postgres, mlflow)
    finally:
        mlflow.kill()


@pytest.fixture(scope="module")
def undisturbed(prepared, tmp_path_factory) -> list[tuple]:
    """The trials of a sweep of the same size that nothing disturbed, in a file."""
    runs = tmp_path_factory.mktemp("undisturbed") / "runs"
    shutil.copytree(prepared, runs)
    finish(runs, *SIZE)
    return trials_of(JournalStorage(JournalFileBackend(f"{runs}/optuna/smoke.log")), "smoke")


# One driver


def test_sigkill_of_the_driver_at_any_moment(servers, undisturbed, make_runs):
    """Between any two statements that it sends; the trials are those of a sweep in a file that nothing disturbed."""
    runs, dice, killed = make_runs(), random.Random(1), 0
    for _ in range(4):
        moment = Moment("sql INSERT INTO trials", dice.randrange(100))
        driver = start_driver(runs, *servers.of("killed"), kill_at=moment, environment=QUICK)
        driver.join(120)
        assert driver.exitcode in (0, -signal.SIGKILL), said(runs)
        killed += driver.exitcode != 0
    assert killed >= 3
    finish(runs, *servers.of("killed"))
    assert trials_of(database(servers), "killed") == undisturbed
    assert_whole(servers, "killed")


def test_a_worker_killed_and_both_servers_restarted_under_a_running_sweep(servers, undisturbed, make_runs, tmp_path):
    """It waits for the one, does without the other until its end, and ends as if nothing had happened."""
    runs, diary = make_runs(), tmp_path / "diary"
    local = ("engine=local", "engine.workers=2")
    environment = {**SLOW, fakes.DIARY: str(diary)}
    driver = start_driver(runs, *servers.of("restarted"), *local, environment=environment)
    wait_for(lambda: len(begun(diary)) >= 3, driver)
    kill_a_worker(driver.pid)
    servers.mlflow.kill()
    servers.postgres.stop()
    wait_for(lambda: "Waiting for it" in heard(runs), driver)
    servers.postgres.start()
    wait_for(lambda: "answers again" in heard(runs), driver)
    servers.mlflow.start()
    driver.join(200)
    text = said(runs)
    assert driver.exitcode == 0, text
    assert re.search(r"^sweep\.storage=postgresql://…@127\S+: .*\. Waiting for it, up to 3 min 00 s\.$", text, re.M)
    assert "Traceback" not in text
    servers.mlflow.await_answer()
    assert trials_of(database(servers), "restarted") == undisturbed
    assert_whole(servers, "restarted")
    assert len(set(begun(diary))) == TRIALS * REPEATS <= len(begun(diary)) <= TRIALS * REPEATS + 1


def test_a_database_that_stays_away_ends_the_sweep_with_a_sentence_and_the_same_command_goes_on(
    servers, undisturbed, make_runs, tmp_path
):
    runs, diary = make_runs(), tmp_path / "diary"
    asked, environment = (*servers.of("gone"), "sweep.patience=1"), {**SLOW, fakes.DIARY: str(diary)}
    driver = start_driver(runs, *asked, environment=environment)
    wait_for(lambda: len(begun(diary)) >= 3, driver)
    servers.postgres.stop()
    driver.join(120)
    servers.postgres.start()
    last = said(runs).splitlines()[-1]
    assert driver.exitcode == 1
    sentence = (
        r"sweep\.storage=postgresql://…@\S+ has not answered for 1 s \(.*\): .* the same command goes on from here\."
    )
    assert re.fullmatch(sentence, last), said(runs)
    finish(runs, *asked, environment={**QUICK, fakes.DIARY: str(diary)})
    assert trials_of(database(servers), "gone") == undisturbed
    assert_whole(servers, "gone")
    assert len(set(begun(diary))) == len(begun(diary)) == TRIALS * REPEATS


def test_the_dashboard_opens_a_database_by_the_name_that_a_sweep_has_for_it(servers, tmp_path):
    open_study(servers.postgres.url("lab"), name="watched", identity={})
    environ = {"PATH_INFO": "/api/studies"}
    setup_testing_defaults(environ)
    [answer] = make_app(servers.postgres.url("lab"), tmp_path)(environ, lambda *told, **options: None)
    assert "watched" in {study["study_name"] for study in json.loads(answer)["study_summaries"]}


@pytest.mark.keras
def test_real_fits_by_the_command_line_go_on_through_a_restart(servers, make_runs):
    runs = make_runs()
    learns = ("training.epochs=30", "training.learning_rate=0.01", "data.snr_db=[20,30]", "data.recordings=24")
    small = (*learns, "sweep.end_settled=false", "sweep.n_trials=2", "engine=inline", f"runs_dir={runs}")
    driver = subprocess.Popen(
        [sys.executable, "-m", "rfcx_lab", *TOY, *servers.of("real"), *small],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while not list(runs.glob("fits/[!.]*/fit.json")) and driver.poll() is None:
        threading.Event().wait(0.05)
    servers.postgres.stop()
    servers.postgres.start()
    text, _ = driver.communicate(timeout=120)
    assert driver.returncode == 0, text
    assert PASSWORD not in text
    assert {state for _, state, *_ in trials_of(database(servers), "real")} == {TrialState.COMPLETE}
    assert_view_is_whole(servers.mlflow.uri, repeats=REPEATS, epochs=30, rungs=2, experiment="real")


# Two drivers


def test_two_drivers_share_a_study(servers, make_runs, tmp_path):
    """The number of trials is that of both together, no fit is done twice, and both tell the same."""
    asked, names = (*servers.of("shared"), "sweep.n_trials=7", "sweep.sampler=tpe"), ("one", "two")
    folders, diaries = [make_runs(name) for name in names], [tmp_path / f"{name}.diary" for name in names]
    gate = tmp_path / "gate"
    drivers = [
        start_driver(runs, *asked, environment={**QUICK, fakes.GATE: str(gate), fakes.DIARY: str(diary)})
        for runs, diary in zip(folders, diaries, strict=True)
    ]
    for driver, diary in zip(drivers, diaries, strict=True):
        wait_for(lambda diary=diary: begun(diary), driver)
    gate.touch()
    for driver, runs in zip(drivers, folders, strict=True):
        driver.join(120)
        assert driver.exitcode == 0, said(runs)
    assert_whole(servers, "shared", 7)
    fits = [begun(diary) for diary in diaries]
    assert len({*fits[0], *fits[1]}) == len(fits[0]) + len(fits[1]) == 7 * REPEATS
    one, two = map(document_of, folders)
    assert one == two
    assert all(cell["observed"] for cell in one["architectures"] if cell["trials"])
    assert not [path for runs in folders for path in runs.rglob("*.*") if PASSWORD in path.read_text(errors="ignore")]
    shown = [{**run.data.params, **run.data.tags} for run in runs_of(servers.mlflow.uri, "shared")]
    assert "…@" in json.dumps(shown, ensure_ascii=False)
    assert PASSWORD not in json.dumps(shown)


def test_a_dead_driver_s_trial_is_taken_up_by_another_one(servers, make_runs, tmp_path):
    """Killed in the middle of a fit; what it has streamed of it is gone on with in the same run."""
    asked, names = (*servers.of("taken"), "sweep.at_once=1", "sweep.patience=2"), ("dead", "alive")
    folders, diaries = [make_runs(name) for name in names], [tmp_path / f"{name}.diary" for name in names]
    stuck = {**QUICK, fakes.GATE: str(tmp_path / "shut"), fakes.DIARY: str(diaries[0])}
    dead = start_driver(folders[0], *asked, environment=stuck)
    wait_for(lambda: begun(diaries[0]), dead)
    wait_for(lambda: streamed(servers, "taken") == fakes.HALFWAY, dead)
    alive = start_driver(folders[1], *asked, environment={**QUICK, fakes.DIARY: str(diaries[1])})
    wait_for(lambda: "Waiting for other drivers, which are still at 1 of the trials." in heard(folders[1]), alive)
    dead.kill()
    alive.join(120)
    assert alive.exitcode == 0, said(folders[1])
    assert_whole(servers, "taken")
    [left] = {line.split(":")[0] for line in begun(diaries[0])}
    assert left == "Trial 0"
    assert "Trial 0 is taken up: its driver on " in heard(folders[1])
    assert Counter(line.split(":")[0] for line in begun(diaries[1])) == {f"Trial {n}": REPEATS for n in range(TRIALS)}
    assert begun(diaries[1])[-1].startswith("Trial 0")
