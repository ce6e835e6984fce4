"""Fits that take no time and whose curves are known: all around a fit is tested without Keras."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rfcx_lab.engine import work
from rfcx_lab.lab.study import fit_seed
from rfcx_lab.model.fit import Epoch, Fit

if TYPE_CHECKING:
    import pytest

TRUE_ONSET = 8
SECONDS_PER_EPOCH = "FAKE_SECONDS_PER_EPOCH"
STREAMED = "FAKE_STREAMED"  # has `fit_with_frontier` stream its epochs
GATE = "FAKE_GATE"  # a file: without it every `fit_with_frontier` stops, for as long, after HALFWAY epochs
HALFWAY = 5
BALLAST = "FAKE_BALLAST"  # the file that takes the space
DIARY = "FAKE_DIARY"  # a file to which every fit that begins adds a line
# JSON, by rung: the log of the last validation loss over the lowest, once for all repeats or in a list over them.
RISES = "FAKE_RISES"
_QUIET = 0.2  # share of the noise that a rung keeps whose rise is planted


def fake_fit(rung, *, train, validation, classes, training, seed, on_epoch, settled=None, scaling=None) -> Fit:
    """Rungs with a dense layer overfit from epoch TRUE_ONSET; the others don't, unless RISES says so."""
    _note(f"{rung.name} {seed}")
    noise = np.random.default_rng([seed, len(rung.name)]).normal(0, 0.01, (training.epochs, 2))
    rise = planted_rise(rung.name, seed)
    if rise is not None:
        noise *= _QUIET
    fit, monitor = Fit(), settled.follow(training.epochs) if settled else None
    for number in range(1, training.epochs + 1):
        time.sleep(float(os.environ.get(SECONDS_PER_EPOCH, "0")))
        train_loss = 2.0 * math.exp(-number / 6) + 0.2
        beyond = max(0, number - TRUE_ONSET) if rung.dense else 0
        val_loss = 1.5 * math.exp(-min(number, TRUE_ONSET) / 3) + 0.8 + 0.08 * beyond
        if rise is not None:
            after = max(0, number - TRUE_ONSET) / (training.epochs - TRUE_ONSET)
            val_loss = (1.5 * math.exp(-min(number, TRUE_ONSET) / 3) + 0.8) * math.exp(rise * after)
        train_loss, val_loss = (np.array([train_loss, val_loss]) * (1 + noise[number - 1])).tolist()
        epoch = Epoch(train_loss, val_loss, train_accuracy=0.9, val_accuracy=0.6)
        fit.epochs.append(epoch)
        on_epoch(number, epoch)
        if monitor is not None and monitor.update(train_loss, val_loss):
            fit.settled = True
            break
    fit.best_epoch = 1 + int(np.argmin([epoch.val_loss for epoch in fit.epochs]))
    return fit


def fit_with_frontier(rung, *, train, validation, classes, training, seed, on_epoch, settled=None) -> Fit:
    """The wider and the deeper, the more a rung overfits: from LSTM 26 without a dense layer, LSTM 6.5 with three.

    Without STREAMED it streams no epoch: MLflow is given its curve at once, which takes a tenth of the time.
    """
    _note(f"{rung.name} {seed}")
    beyond = beyond_frontier(rung.lstm[0], len(rung.dense))
    noise = np.random.default_rng([seed, rung.lstm[0], len(rung.dense)]).normal(0, 0.01, (training.epochs, 2))
    slope = np.random.default_rng([seed, rung.lstm[0], len(rung.dense), 1]).normal(0, 0.15)
    rise = max(0.0, 0.05 * (beyond + 1 + slope))  # at the margin, 0.05, where `beyond` is 0
    fit, monitor = Fit(), settled.follow(training.epochs) if settled else None
    for number in range(1, training.epochs + 1):
        time.sleep(float(os.environ.get(SECONDS_PER_EPOCH, "0")))
        after = max(0, number - TRUE_ONSET) / (training.epochs - TRUE_ONSET)
        val_loss = (1.5 * math.exp(-min(number, TRUE_ONSET) / 2) + 0.9 + 0.02 * abs(beyond)) * (1 + rise * after)
        train_loss = 2.0 * math.exp(-number / 6) + 0.2
        train_loss, val_loss = (np.array([train_loss, val_loss]) * (1 + noise[number - 1])).tolist()
        fit.epochs.append(Epoch(train_loss, val_loss, train_accuracy=0.9, val_accuracy=0.6))
        if STREAMED in os.environ:
            on_epoch(number, fit.epochs[-1])
        while number == HALFWAY and GATE in os.environ and not Path(os.environ[GATE]).exists():
            time.sleep(0.01)
        if monitor is not None and monitor.update(train_loss, val_loss):
            fit.settled = True
            break
    fit.best_epoch = 1 + int(np.argmin([epoch.val_loss for epoch in fit.epochs]))
    return fit


def beyond_frontier(width: int, layers: int) -> float:
    """How many doublings of its width `fit_with_frontier` takes an architecture to lie beyond the frontier."""
    return math.log2(width) + layers * 2 / 3 - 4.7


def fit_with_model(rung, **options) -> Fit:
    """As `fake_fit`, with 8 kB in a model's place."""
    fit = fake_fit(rung, **options)
    fit.best_model = np.random.default_rng(options["seed"]).bytes(8192)
    return fit


def fit_that_learns_once_scaled(
    rung, *, train, validation, classes, training, seed, on_epoch, settled=None, scaling=None
) -> Fit:
    """It stays at chance until windows are normalised by the training part; a running training loss is too high.

    It streams no epoch.
    """
    _note(f"{rung.name} {seed} {train.windows.shape[1:]} {training}")
    noise = np.random.default_rng([seed, train.windows.shape[1], training.batch_size]).normal(0, 0.01, training.epochs)
    learns, running = training.scaling == "train_per_coefficient", training.train_loss == "running"
    fit = Fit(best_epoch=training.epochs, best_model=np.random.default_rng(seed).bytes(64))
    for number in range(1, training.epochs + 1):
        learnt = math.exp(-number / 4) if learns else 1.0
        val_loss = 0.4 + 0.7 * learnt + noise[number - 1]
        accuracies = {"train_accuracy": 0.9, "val_accuracy": 1 - 0.6 * learnt}
        fit.epochs.append(Epoch(val_loss - 0.2 + 0.5 * running, val_loss, **accuracies))
    return fit


def fit_to_length(rung, *, train, validation, classes, training, seed, on_epoch, settled=None, scaling=None) -> Fit:
    """It learns by heart which species has how many frames before the padding, and hears nothing."""
    known = {int(count): int(label) for count, label in zip(_sound(train.windows), train.labels, strict=True)}
    fit = Fit(best_epoch=training.epochs, best_model=json.dumps([classes, seed, sorted(known.items())]).encode())
    for number in range(1, training.epochs + 1):
        fit.epochs.append(Epoch(1 / number, 1 / number, number / training.epochs, number / training.epochs))
    return fit


def read_length(model: bytes, windows) -> np.ndarray:
    """What `fit_to_length` predicts: the species with the nearest number of frames, or a guess where all have one."""
    classes, _, known = json.loads(model)
    counts, labels = np.array(known).T
    nearest = np.abs(_sound(windows)[:, None] - counts[None]).argmin(axis=1)
    return np.eye(classes, dtype=np.float32)[labels[nearest]]


def _sound(windows) -> np.ndarray:
    """How many frames of windows `[N, F, T]`, axes turned, are no padding."""
    return np.any(windows != 0, axis=1).sum(axis=1)


def fake_predict(model: bytes, windows) -> np.ndarray:
    """Probabilities over the toy's three species: right or wrong, but always the same for the same model."""
    odds = np.random.default_rng(model[0]).gamma(1.0, size=(len(windows), 3)).astype(np.float32)
    return odds / odds.sum(axis=1, keepdims=True)


def predict_by_fakes(patch: pytest.MonkeyPatch) -> None:
    """Have what a fake fit keeps in a model's place be measured."""
    patch.setattr(work, "load_model", lambda path: path.read_bytes())
    patch.setattr(work, "predict", fake_predict)


def sometimes_failing_fit(rung, **options) -> Fit:
    """LSTM 8 diverges, + Dense 48 raises; the rest is well."""
    if rung.name == "+ Dense 48":
        raise MemoryError
    fit = fake_fit(rung, **options)
    if rung.name == "LSTM 8":
        fit.epochs = [*fit.epochs[:3], Epoch(math.nan, math.nan, 0.0, 0.0)]
        fit.failure = "the loss is not finite after epoch 4"
    return fit


def fit_that_fills_the_disk(rung, **options) -> Fit:
    """The first fit of + Dense 48 sees all space taken, by whomever, before it ends."""
    fit = fake_fit(rung, **options)
    if rung.name == "+ Dense 48":
        fill_disk(Path(os.environ[BALLAST]))
    return fit


def fill_disk(ballast: Path) -> None:
    """Grow a file until not a byte is left beside it."""
    with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass


def planted_rise(name: str, seed: int) -> float | None:
    """What RISES plants in the fit of a rung with that seed, if anything."""
    rises = json.loads(os.environ.get(RISES, "{}")).get(name)
    if not isinstance(rises, list):
        return rises
    return rises[next(repeat for repeat in range(len(rises)) if fit_seed(0, repeat) == seed)]


def _note(line: str) -> None:
    if DIARY in os.environ:
        with Path(os.environ[DIARY]).open("a") as diary:
            diary.write(line + "\n")
