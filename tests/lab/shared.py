"""Sweeps whose trials lie in a database and whose curves in an MLflow server, for tests to disturb."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import optuna
import psutil
from mlflow import MlflowClient
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from tests import fakes
from tests.lab import sweeps
from tests.lab.driver import said, start_driver
from tests.lab.outcome import assert_view_is_whole, by_level, runs_of
from tests.lab.servers import MlflowServer, Postgres
from tests.lab.sweeps import EPOCHS, REPEATS

TRIALS = 6
SIZE = (*sweeps.SIZE, f"sweep.n_trials={TRIALS}", "sweep.confidence=0.999")
QUICK, SLOW = {fakes.STREAMED: "1"}, {fakes.STREAMED: "1", fakes.SECONDS_PER_EPOCH: "0.05"}


@dataclass(frozen=True)
class Servers:
    postgres: Postgres
    mlflow: MlflowServer

    def of(self, study: str) -> tuple[str, ...]:
        """What sends a study's trials and curves there."""
        return (*SIZE, f"name={study}", f"sweep.storage={self.postgres.url('lab')}", f"tracking.uri={self.mlflow.uri}")


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
