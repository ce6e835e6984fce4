from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from filelock import FileLock

from rfcx_lab.config import Config
from rfcx_lab.lab.study import prepare_study
from tests import fakes
from tests.conftest import TOY, compose_config
from tests.lab.driver import start_driver
from tests.lab.interrupted import Life, live
from tests.lab.servers import Postgres
from tests.lab.sweeps import SIZE


@pytest.fixture
def diary(tmp_path, monkeypatch) -> Path:
    """A file with a line per fit that has begun."""
    path = tmp_path / "diary"
    path.touch()
    monkeypatch.setenv(fakes.DIARY, str(path))
    return path


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Path:
    """A `runs_dir` with the toy soundscape, its features and an MLflow store, and no fit."""
    runs = tmp_path_factory.mktemp("prepared") / "runs"
    prepare_study(compose_config(*TOY, "engine=inline", f"runs_dir={runs}", "tracking.experiment=another"))
    return runs


@pytest.fixture
def ready_config(prepared, toy_config, tmp_path) -> Callable[..., Config]:
    """As `toy_config`, where the sounds, their features and MLflow's tables are there already."""
    shutil.copytree(prepared, tmp_path / "runs")
    return toy_config


@pytest.fixture
def make_sweep_config(ready_config) -> Callable[..., Config]:
    """A small sweep; further overrides as arguments."""
    return lambda *overrides: ready_config(*SIZE, *overrides)


@pytest.fixture
def sweep_config(make_sweep_config) -> Config:
    return make_sweep_config()


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    cluster = Postgres()
    yield cluster
    cluster.remove()


@pytest.fixture
def make_runs(prepared, tmp_path):
    """A `runs_dir` that is ready, under a name."""

    def make(name: str = "runs") -> Path:
        shutil.copytree(prepared, tmp_path / name)
        return tmp_path / name

    return make


@pytest.fixture
def planted(prepared, tmp_path, monkeypatch) -> Callable[..., Config]:
    """A config of the toy study under fits whose rises are planted, in a folder of the test's own."""
    runs = tmp_path / "runs"
    shutil.copytree(prepared, runs)

    def make(rises: dict, *overrides: str) -> Config:
        monkeypatch.setenv(fakes.RISES, json.dumps(rises))
        size = ("training.epochs=12", "split.test_fraction=0.3", "engine=inline", f"runs_dir={runs}")
        return compose_config(*TOY, *size, *overrides)

    return make


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory) -> Life:
    """A run of the toy ladder that nothing disturbed: made once, even where several processes share the tests."""
    runs, shared = tmp_path_factory.mktemp("undisturbed") / "runs", tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    kept = shared / "undisturbed.json"
    with FileLock(kept.with_suffix(".lock")):
        if not kept.exists():
            start_driver(runs).join()  # also makes what drivers are forked from
            shutil.rmtree(runs)
            kept.write_text(json.dumps(asdict(live(runs))))
    return Life(**json.loads(kept.read_text()))
