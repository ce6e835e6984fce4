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
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from wsgiref.util import setup_testing_defaults

import optuna
import psutil
import pytest
from mlflow import MlflowClient
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from rfcx_lab.lab import claims
from rfcx_lab.lab.claims import Claims
from rfcx_lab.lab.dashboard import make_app
from rfcx_lab.lab.search import Search
from rfcx_lab.lab.sweep_plan import plan_sweep
from rfcx_lab.lab.trial_store import open_study
from tests import fakes
from tests.conftest import ROOT, TOY, compose_config
from tests.lab.driver import Moment, said, start_driver
from tests.lab.outcome import assert_view_is_whole, by_level, runs_of
from tests.lab.servers import PASSWORD, MlflowServer, Postgres

EPOCHS, REPEATS, TRIALS = 14, 2, 6
SIZE = (
    "kind=sweep",
    f"training.epochs={EPOCHS}",
    f"sweep.repeats={REPEATS}",
    f"sweep.n_trials={TRIALS}",
    "sweep.confidence=0.999",
    "split.test_fraction=0.3",
    "sweep.space.lstm_width.values=[4,16,64]",
    "sweep.space.dense_layers.values=[0,3]",
)
QUICK, SLOW = {fakes.STREAMED: "1"}, {fakes.STREAMED: "1", fakes.SECONDS_PER_EPOCH: "0.05"}


@dataclass(frozen=True)
class Servers:
    postgres: Postgres
    mlflow: MlflowServer

    def of(self, study: str) -> tuple[str, ...]:
        """What sends a study's trials and curves there."""
        return (*SIZE, f"name={study}", f"sweep.storage={self.postgres.url('lab')}", f"tracking.uri={self.mlflow.uri}")


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    cluster = Postgres()
    yield cluster
    cluster.remove()


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


@pytest.fixture
def make_runs(prepared, tmp_path):
    """A `runs_dir` that is ready, under a name."""

    def make(name: str = "runs") -> Path:
        shutil.copytree(prepared, tmp_path / name)
        return tmp_path / name

    return make


def finish(runs: Path, *overrides: str, environment: dict[str, str] = QUICK) -> None:
    """Run a driver to its end."""
    driver = start_driver(runs, *overrides, environment=environment)
    driver.join(120)
    assert driver.exitcode == 0, said(runs)


def trials_of(storage, study: str) -> list[tuple]:
    """What must not hang on an interruption."""
    return [
        (t.number, t.state, t.params, t.value, t.user_attrs.get("margins"), t.user_attrs.get("repeats"))
        for t in optuna.load_study(study_name=study, storage=storage).trials
    ]


def database(servers: Servers) -> RDBStorage:
    return RDBStorage(servers.postgres.url("lab").replace("postgresql", "postgresql+psycopg"))


def assert_whole(servers: Servers, study: str, trials: int = TRIALS) -> None:
    """Each trial told once, none running, and in MLflow every run and every epoch once."""
    states = Counter(state for _, state, *_ in trials_of(database(servers), study))
    assert states == {TrialState.COMPLETE: trials}
    assert_view_is_whole(servers.mlflow.uri, repeats=REPEATS, epochs=EPOCHS, rungs=trials, experiment=study)


def document_of(runs: Path) -> dict:
    document = json.loads((runs / "studies" / "out" / "frontier.json").read_text())
    del document["data"]["root"]
    return document


def wait_for(happened, driver) -> None:
    waited = threading.Event()
    for _ in range(24_000):
        if happened():
            return
        assert driver.is_alive()
        waited.wait(0.005)
    raise AssertionError("it never happened")


def heard(runs: Path) -> str:
    return said(runs) if runs.with_suffix(".said").exists() else ""


def streamed(servers: Servers, study: str) -> int:
    """Epochs of its fits that MLflow has."""
    client = MlflowClient(tracking_uri=servers.mlflow.uri)
    fits = by_level(runs_of(servers.mlflow.uri, study), "fit")
    return sum(len(client.get_metric_history(fit.info.run_id, "loss/val")) for fit in fits)


def begun(diary: Path) -> list[str]:
    return diary.read_text().splitlines() if diary.exists() else []


def kill_a_worker(pid: int) -> None:
    below = psutil.Process(pid).children(recursive=True)
    next(child for child in below if "spawn_main" in " ".join(child.cmdline())).kill()


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


# Claims


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
