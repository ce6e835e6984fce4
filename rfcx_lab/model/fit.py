"""One fit: train for a fixed number of epochs, and measure both parts in evaluation mode after each.

Keras's own training loss is taken with dropout on and while the weights move; it can't be compared with the validation
loss, so it is not used, unless `training.train_loss=running` asks for it.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rfcx_lab.config import RungConfig, TrainingConfig
from rfcx_lab.model.backend import start_keras
from rfcx_lab.model.compiled import compiled_model
from rfcx_lab.model.rung import build_model
from rfcx_lab.model.scaling import Scaling, fit_scaling, normalise
from rfcx_lab.verdict.chance import chance_loss
from rfcx_lab.verdict.settled import SettledMonitor, SettledRule

if TYPE_CHECKING:
    import keras

EVALUATION_BATCH = 128  # fixed, with the last batch padded: one traced function serves every part
_SMALLEST_PROBABILITY = 1e-7  # as in Keras's own cross-entropy

Windows = NDArray[np.float32]
Labels = NDArray[np.int64]
OnEpoch = Callable[[int, "Epoch"], None]


@dataclass(frozen=True)
class Part:
    """Windows `[N, T, F]` and their labels `[N]`."""

    windows: Windows
    labels: Labels


@dataclass(frozen=True)
class Epoch:
    """Mean cross-entropy in nats, and accuracy, of both parts at an epoch's end, in evaluation mode."""

    train_loss: float
    val_loss: float
    train_accuracy: float
    val_accuracy: float


@dataclass
class Fit:
    """What a fit leaves: its epochs in order, the best one's model, and why it failed if it did."""

    epochs: list[Epoch] = field(default_factory=list)
    best_epoch: int | None = None  # 1-based: whose model is kept, that of the lowest validation loss
    best_model: bytes | None = None  # a .keras file
    failure: str | None = None
    settled: bool = False  # it ended before its budget, since its verdict was settled


def fit_rung(
    rung: RungConfig,
    *,
    train: Part,
    validation: Part,
    classes: int,
    training: TrainingConfig,
    seed: int,
    on_epoch: OnEpoch = lambda number, epoch: None,
    settled: SettledRule | None = None,
    scaling: Scaling | None = None,
) -> Fit:
    """Fit `rung` on `train` for `training.epochs` epochs; `on_epoch(number, epoch)` hears of each (1-based).

    Windows are normalised by `scaling`, or else coefficient by coefficient as `train` says.

    The same arguments on the same machine give the same numbers, bit for bit. By a rule of when it is
    `settled` the fit ends there, and its epochs are the first ones of the whole fit. A loss that is no longer finite
    ends it too, with its `failure` said.
    """
    start_keras()
    shape = train.windows.shape[1:]
    scaling = scaling or fit_scaling(train.windows)
    train, validation = _normalised(train, scaling), _normalised(validation, scaling)
    chance = chance_loss(train.labels, validation.labels, classes=classes)
    follow = settled.follow(training.epochs, chance=chance) if settled else None
    watch = _watch(train, validation, on_epoch, training, follow)
    with compiled_model(
        rung,
        input_shape=shape,
        classes=classes,
        learning_rate=training.learning_rate,
        seed=seed,
        running=training.train_loss == "running",
    ) as model:
        model.fit(
            train.windows,
            train.labels,
            epochs=training.epochs,
            batch_size=training.batch_size,
            shuffle=training.shuffle,
            callbacks=[watch],
            verbose=0,
        )
    fit: Fit = watch.fit
    if watch.best_weights is not None:
        fit.best_model = _as_file(rung, shape, classes, scaling, watch.best_weights)
    return fit


def evaluate(model: keras.Model, part: Part) -> tuple[float, float]:
    """Mean cross-entropy in nats, and accuracy, of `model` on `part`, in evaluation mode."""
    return score(predict(model, part.windows), part.labels)


def score(probabilities: NDArray[np.float32], labels: Labels) -> tuple[float, float]:
    """Mean cross-entropy in nats, and accuracy, of class probabilities `[N, classes]` where `labels` `[N]` are true."""
    own = probabilities[np.arange(len(labels)), labels]
    loss = -np.log(np.clip(own, _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY)).mean(dtype=np.float64)
    return float(loss), float((probabilities.argmax(axis=1) == labels).mean())


def predict(model: keras.Model, windows: Windows) -> NDArray[np.float32]:
    """Class probabilities `[N, classes]`."""
    rows = []
    for start in range(0, len(windows), EVALUATION_BATCH):
        batch = windows[start : start + EVALUATION_BATCH]
        padding = EVALUATION_BATCH - len(batch)
        padded = np.pad(batch, ((0, padding), (0, 0), (0, 0))) if padding else batch
        rows.append(model.predict_on_batch(padded)[: len(batch)])
    return np.concatenate(rows)


def load_model(path: Path) -> keras.Model:
    """A model saved by a fit, ready to predict."""
    start_keras()
    import keras

    return keras.saving.load_model(path, compile=False)


def _normalised(part: Part, scaling: Scaling) -> Part:
    return Part(normalise(part.windows, scaling), part.labels)


def _watch(  # type: ignore[no-untyped-def]
    train: Part, validation: Part, on_epoch: OnEpoch, training: TrainingConfig, settled: SettledMonitor | None
):
    import keras

    class Watch(keras.callbacks.Callback):
        """Measures, remembers the best weights, and ends a fit that is settled, or whose loss is no longer finite."""

        def __init__(self) -> None:
            super().__init__()
            self.fit = Fit()
            self.best_weights: list[NDArray[np.float32]] | None = None
            self._best_loss = math.inf

        def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
            if training.train_loss == "running":
                train_loss, train_accuracy = (float((logs or {})[name]) for name in ("loss", "accuracy"))
            else:
                train_loss, train_accuracy = evaluate(self.model, train)
            val_loss, val_accuracy = evaluate(self.model, validation)
            measured = Epoch(train_loss, val_loss, train_accuracy, val_accuracy)
            number = epoch + 1
            self.fit.epochs.append(measured)
            on_epoch(number, measured)
            if not (math.isfinite(train_loss) and math.isfinite(val_loss)):
                self.fit.failure = f"the loss is not finite after epoch {number}"
                self.model.stop_training = True
            elif val_loss < self._best_loss or training.keep == "last":
                self._best_loss, self.fit.best_epoch = val_loss, number
                self.best_weights = self.model.get_weights()
            if settled is not None and settled.update(train_loss, val_loss):
                self.fit.settled = True
                self.model.stop_training = True

    return Watch()


def _as_file(
    rung: RungConfig,
    shape: tuple[int, int],
    classes: int,
    scaling: Scaling,
    weights: list[NDArray[np.float32]],
) -> bytes:
    """The model without its optimizer, as the bytes of a .keras file."""
    model = build_model(rung, input_shape=shape, classes=classes, seed=0, scaling=scaling)
    model.set_weights(weights)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return path.read_bytes()
