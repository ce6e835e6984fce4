"""What a worker does: train one fit and keep it, or measure a kept model on the test part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rfcx_lab.lab.fits import FitSpec, FitStore, HeldOut
from rfcx_lab.lab.tracking import CurveStream, start_mlflow
from rfcx_lab.model.backend import start_keras
from rfcx_lab.model.fit import Fit, Part, fit_rung, load_model, predict, score

FitFunction = Callable[..., Fit]
"""With the signature of `rfcx_lab.model.fit.fit_rung`."""


@dataclass(frozen=True)
class Job:
    """A fit to train, and where its curve and its result go."""

    spec: FitSpec
    fit: FitFunction
    store: Path
    tracking_uri: str
    run_id: str


def warm_up(fit: FitFunction) -> None:
    """Import what `fit` will need: seconds that a worker can spend while its driver is still busy."""
    start_mlflow()
    if fit is fit_rung:  # a stand-in needs no Keras
        start_keras()


def train(job: Job) -> str:
    """Train the fit, stream its curve, and keep it; returns its key."""
    spec, store = job.spec, FitStore(job.store)
    if not store.has(spec.key):  # a second driver may have been faster
        store.write(spec, fit_job(job))
    return spec.key


def fit_job(job: Job) -> Fit:
    """Train the fit and stream its curve, but keep nothing."""
    spec = job.spec
    return job.fit(
        spec.rung,
        train=_part(spec, spec.split.train),
        validation=_part(spec, spec.split.validation),
        classes=spec.classes,
        training=spec.training,
        seed=spec.seed,
        on_epoch=CurveStream(uri=job.tracking_uri, run_id=job.run_id),
    )


def measure(job: Job) -> HeldOut:
    """Measure the fit's best epoch on the test part, which no fit has seen; keep its predictions and the figures."""
    store = FitStore(job.store)
    result = measure_model(job.spec, store.best_model(job.spec.key))
    store.write_held_out(job.spec, result)
    return result


def measure_model(spec: FitSpec, model: Path) -> HeldOut:
    """Measure a .keras file on the test part of `spec`, but keep nothing."""
    part = _part(spec, spec.split.test)
    probabilities = predict(load_model(model), part.windows)
    return HeldOut(*score(probabilities, part.labels), probabilities)


def _part(spec: FitSpec, rows: np.ndarray) -> Part:
    windows = np.asarray(spec.windows.load()[rows])
    if not spec.time_major:
        windows = np.ascontiguousarray(windows.transpose(0, 2, 1))
    return Part(windows, spec.labels[rows])
