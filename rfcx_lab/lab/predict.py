"""What the recommended rung, or the one to be shown, predicts on the test part, which no choice was made on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rfcx_lab.config import Config
from rfcx_lab.console import say
from rfcx_lab.engine.engine import Engine
from rfcx_lab.engine.failure import Failure
from rfcx_lab.engine.fits import FitSpec, FitStore
from rfcx_lab.engine.work import Job, measure
from rfcx_lab.lab.answer import describe_test
from rfcx_lab.lab.study import Study
from rfcx_lab.model.fit import fit_rung


@dataclass(frozen=True, eq=False)
class Measured:
    """A rung's fits, each at the epoch that was kept, on the test part."""

    document: dict[str, Any]  # `test` in verdict.json
    model: Path  # to hand on: that of the repeat with the lowest validation loss at the epoch that was kept
    fit: FitSpec  # whose model it is
    rows: NDArray[np.int64]  # [N], positions in the table of clips
    probabilities: NDArray[np.float32]  # [fits, N, classes]


def measure_rung(engine: Engine, study: Study, rung: str | None, config: Config) -> Measured | None:
    """Measure the fits of `rung` that were not measured yet; None where none of them has kept a model.

    With `ladder.shown` it is that rung which is measured.
    """
    rung = config.ladder.shown or rung
    store = FitStore(study.store)
    specs = [spec for spec in study.fits if spec.rung.name == rung and store.has_model(spec.key)]
    jobs = [Job(s, fit_rung, study.store, config.tracking.uri, "") for s in specs if store.held_out(s) is None]
    for job, result in engine.run(measure, jobs):
        if isinstance(result, Failure):
            say(f"{rung}, repeat {job.spec.split.repeat}, not measured on the test part: {result.reason}", style="red")
    results = [measured for spec in specs if (measured := store.held_out(spec)) is not None]
    if not results or rung is None:
        return None
    best = min(specs, key=lambda spec: _kept_loss(store, spec))
    described = describe_test(
        results,
        rung=rung,
        rows=len(best.split.test),
        kept_repeat=best.split.repeat,
        kept_epoch=store.best_epoch(best.key) or 0,
        kept=config.training.keep,
    )
    probabilities = np.stack([result.probabilities for result in results])
    return Measured(described, store.best_model(best.key), best, best.split.test, probabilities)


def _kept_loss(store: FitStore, spec: FitSpec) -> float:
    """The validation loss of the weights that were kept, which need not be the curve's lowest."""
    epoch = store.best_epoch(spec.key)
    assert epoch is not None, spec.key  # it has a model
    return store.read_curves(spec).val_loss[epoch - 1]
