"""Sweeps whose trials lie in a PostgreSQL database and whose curves in an MLflow server: shared, killed, restarted."""

from __future__ import annotations

import json
import random
import re
import shutil
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from rfcx_lab.lab import claims
from rfcx_lab.lab.claims import Claims
from rfcx_lab.lab.search import Search
from rfcx_lab.lab.sweep_plan import plan_sweep
from rfcx_lab.lab.trial_store import open_study
from tests import fakes
from tests.conftest import ROOT, TOY, compose_config
from tests.lab.driver import Moment, done, said, start_driver
from tests.lab.outcome import assert_view_is_whole, runs_of
from tests.lab.servers import PASSWORD, MlflowServer, Postgres
from tests.test_command import command

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
def servers(tmp_path_factory) -> Iterator[Servers]:
    warm = threading.Thread(target=lambda: start_driver(tmp_path_factory.mktemp("warm") / "runs", "seed=-1").join())
    warm.start()  # what drivers are forked from takes as long as a server
    postgres = Postgres()
    mlflow = MlflowServer(
        postgres.url("mlflow").replace("postgresql", "postgresql+psycopg"), tmp_path_factory.mktemp("mlflow") / "server"
    )
    try:
        mlflow.await_answer()
        warm.join()
        yield Servers(postgres, mlflow)
    finally:
        mlflow.kill()
        postgres.remove()


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


def begun(diary: Path) -> list[str]:
    return diary.read_text().splitlines() if diary.exists() else []


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
