"""What a worker does: train one fit and keep it, or measure a kept model on the test part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rfcx_lab.config import TrainingConfig
from rfcx_lab.engine.fits import FitSpec, FitStore, HeldOut
from rfcx_lab.engine.under_way import Marker, in_turn
from rfcx_lab.model.backend import start_keras
from rfcx_lab.model.fit import Fit, Part, fit_rung, load_model, predict, score
from rfcx_lab.model.scaling import Scaling, fit_scaling, of_all
from rfcx_lab.tracking.client import start_mlflow
from rfcx_lab.tracking.stream import CurveStream

FitFunction = Callable[..., Fit]
"""With the signature of `rfcx_lab.model.fit.fit_rung`."""


@dataclass(frozen=True)
class Job:
    """A fit to train or to measure, and where its curve and its result go."""

    spec: FitSpec
    fit: FitFunction
    store: Path
    tracking_uri: str
    run_id: str
    part: str = "test"  # of the split: what is measured
    trained: FitSpec | None = None  # whose model is measured, where `spec` has other windows than it was trained on

    @property
    def model(self) -> FitSpec:
        """The fit whose model is measured."""
        return self.trained or self.spec


def warm_up(fit: FitFunction) -> None:
    """Import what `fit` will need: seconds that a worker can spend while its driver is still busy."""
    start_mlflow()
    if fit is fit_rung:  # a stand-in needs no Keras
        start_keras()


def train(job: Job) -> str:
    """Train the fit, stream its curve, and keep it; returns the key of its record."""
    spec, store = job.spec, FitStore(job.store)
    key = store.find(spec)  # a second driver may have been faster
    return store.write(spec, fit_job(job, Marker(job.store, spec.key))) if key is None else key


def fit_job(job: Job, *hear: Callable[[int, Any], None]) -> Fit:
    """Train the fit and stream its curve, but keep nothing; others that `hear` are told of each epoch, too."""
    spec = job.spec
    return job.fit(
        spec.rung,
        train=_part(spec, spec.split.train),
        validation=_part(spec, spec.split.validation),
        classes=spec.classes,
        training=spec.training,
        seed=spec.seed,
        on_epoch=in_turn(CurveStream(uri=job.tracking_uri, run_id=job.run_id), *hear),
        settled=spec.settled,
        **_scaling(spec),
    )


def measure(job: Job) -> HeldOut:
    """Measure the fit's kept epoch on a part of its split, as the test part, which no fit has seen; and keep that."""
    result = measure_model(job.spec, FitStore(job.store).best_model(job.model.key), part=job.part)
    keep_measured(job, result)
    return result


def keep_measured(job: Job, result: HeldOut) -> None:
    """Put what was measured beside the fit whose model it was."""
    FitStore(job.store).write_held_out(job.model, result, job.part, windows=job.spec.windows)


def measure_model(spec: FitSpec, model: Path, *, part: str = "test") -> HeldOut:
    """Measure a .keras file on a part of the split of `spec`, but keep nothing."""
    measured = _part(spec, getattr(spec.split, part))
    probabilities = predict(load_model(model), measured.windows)
    return HeldOut(*score(probabilities, measured.labels), probabilities)


def _scaling(spec: FitSpec) -> dict[str, Scaling]:
    """How windows are normalised where it isn't as `fit_rung` does it of itself."""
    name = spec.training.scaling
    if spec.time_major and name == TrainingConfig.scaling:
        return {}
    windows = spec.windows.load()
    rows = windows if of_all(name) else windows[spec.split.train]
    return {"scaling": fit_scaling(rows, name=name, turned=not spec.time_major)}


def _part(spec: FitSpec, rows: np.ndarray) -> Part:
    windows = np.asarray(spec.windows.load()[rows])
    if not spec.time_major:
        windows = np.ascontiguousarray(windows.transpose(0, 2, 1))
    return Part(windows, spec.labels[rows])
