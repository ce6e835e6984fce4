"""Spaces whose frontier is known, and studies that search them without a fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from rfcx_lab.search.sampler import SAMPLERS, is_done, make_sampler
from rfcx_lab.search.space import Architecture, Axis, Space
from rfcx_lab.search.trials import DIRECTION, tell_margins, visit

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


def margins(architecture: Architecture, *, seed: int = 0) -> list[float]:
    """Overfits from a width of 64 without dense layers, from 23 with two."""
    margin = 0.15 * (np.log2(architecture["lstm_width"]) - 5.6 + 0.75 * architecture["dense_layers"])
    rng = np.random.default_rng([seed, *map(int, architecture.values())])
    return list(margin + rng.normal(0, 0.03, 3))


def open_study(name: str, space: Space = SPACE, *, seed: int = 1, path: Path | None = None) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
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
