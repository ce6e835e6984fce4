"""What a worker does: train one fit and keep it, or measure a kept model on the test part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rfcx_lab.lab.fits import FitSpec, FitStore, HeldOut
from rfcx_lab.lab.tracking import CurveStream, start_mlflow
from rfcx_lab.lab.under_way import Marker, in_turn
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
        fit = job.fit(
            spec.rung,
            train=_part(spec, spec.split.train),
            validation=_part(spec, spec.split.validation),
            classes=spec.classes,
            training=spec.training,
            seed=spec.seed,
            on_epoch=in_turn(CurveStream(uri=job.tracking_uri, run_id=job.run_id), Marker(job.store, spec.key)),
        )
        store.write(spec, fit)
    return spec.key


def measure(job: Job) -> HeldOut:
    """Measure the fit's best epoch on the test part, which no fit has seen; keep its predictions and the figures."""
    spec, store = job.spec, FitStore(job.store)
    part = _part(spec, spec.split.test)
    probabilities = predict(load_model(store.best_model(spec.key)), part.windows)
    result = HeldOut(*score(probabilities, part.labels), probabilities)
    store.write_held_out(spec, result)
    return result


def _part(spec: FitSpec, rows: np.ndarray) -> Part:
    windows = np.asarray(spec.windows.load()[rows])
    if not spec.time_major:
        windows = np.ascontiguousarray(windows.transpose(0, 2, 1))
    return Part(windows, spec.labels[rows])
