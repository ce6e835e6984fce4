from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rfcx_lab.config import Config
from rfcx_lab.lab.study import prepare_study
from tests import fakes
from tests.conftest import TOY, compose_config


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
def planted(prepared, tmp_path, monkeypatch) -> Callable[..., Config]:
    """A config of the toy study under fits whose rises are planted, in a folder of the test's own."""
    runs = tmp_path / "runs"
    shutil.copytree(prepared, runs)

    def make(rises: dict, *overrides: str) -> Config:
        monkeypatch.setenv(fakes.RISES, json.dumps(rises))
        size = ("training.epochs=12", "split.test_fraction=0.3", "engine=inline", f"runs_dir={runs}")
        return compose_config(*TOY, *size, *overrides)

    return make
