"""A small sweep whose frontier is known, for tests to run and to look at."""

from __future__ import annotations

from pathlib import Path

import optuna
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from rfcx_lab.config import Config
from rfcx_lab.lab.sweep import Swept, run_sweep
from tests import fakes

EPOCHS, REPEATS = 14, 2
SIZE = (
    "kind=sweep",
    f"training.epochs={EPOCHS}",
    f"sweep.repeats={REPEATS}",
    "split.test_fraction=0.3",
    "sweep.space.lstm_width.values=[4,16,64]",
    "sweep.space.dense_layers.values=[0,3]",
)
CELLS = 6


def sweep(config: Config, output: Path, fit=fakes.fit_with_frontier) -> Swept:
    return run_sweep(config, output, fit=fit)


def study_of(path: str, name: str = "smoke") -> optuna.Study:
    storage = RDBStorage(path) if "://" in path else JournalStorage(JournalFileBackend(path))
    return optuna.load_study(study_name=name, storage=storage)


def trials_of(path: str) -> list[tuple]:
    """What must not hang on an interruption."""
    return [
        (t.number, t.state, t.params, t.value, t.user_attrs["margins"], t.user_attrs["repeats"])
        for t in study_of(path).trials
    ]


def begun(diary: Path) -> int:
    return len(diary.read_text().splitlines())
