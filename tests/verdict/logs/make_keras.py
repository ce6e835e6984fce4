"""Makes the logs named keras_*: `python tests/verdict/logs/make_keras.py` from the repository root.

A network too large for 24 noisy rows, logged by Keras's own CSVLogger and History. `keras_resumed.csv` is written by
two calls of `fit` with `append=True`: the second starts at epoch 20 again from the weights that 30 epochs gave.
`keras_refit.csv` by two calls that both count from epoch 0, the second going on from the first one's weights, and
`keras_every_fifth.csv` with `validation_freq=5`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
import keras
import numpy as np

FOLDER = Path(__file__).parent


def build(seed: int, *, units: int = 64, rate: float = 1e-3) -> keras.Model:
    keras.utils.set_random_seed(seed)
    layers = [keras.layers.Dense(units, activation="tanh"), keras.layers.Dense(units, activation="tanh")]
    model = keras.Sequential([keras.Input((12,)), *layers, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(rate), "mse", metrics=["mae"])
    return model


def draw(seed: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 12))
    return x, x[:, :1] + 0.5 * x[:, 1:2] + 0.7 * rng.normal(size=(rows, 1))


def fit(model: keras.Model, seed: int, name: str, *, rows: int = 24, append: bool = False, **options: int) -> None:
    x, y = draw(seed, rows)
    logger = keras.callbacks.CSVLogger(str(FOLDER / name), append=append)
    history = model.fit(x, y, batch_size=6, validation_data=draw(100, 200), verbose=0, callbacks=[logger], **options)
    if name == "keras.csv":
        (FOLDER / "keras_history.json").write_text(json.dumps(history.history), encoding="utf-8")


if __name__ == "__main__":
    fit(build(1), 1, "keras.csv", epochs=60)
    fit(build(2), 2, "keras_2.csv", epochs=60)
    fit(
        build(3, units=4, rate=3e-3), 3, "keras_plenty.csv", rows=300, epochs=40
    )  # enough rows to learn from: a plateau
    fit(build(4, rate=2e-4), 4, "keras_every_fifth.csv", epochs=150, validation_freq=5)
    resumed = build(5)
    fit(resumed, 5, "keras_resumed.csv", epochs=30)
    fit(resumed, 5, "keras_resumed.csv", append=True, initial_epoch=20, epochs=60)
    refit = build(6)
    fit(refit, 6, "keras_refit.csv", epochs=30)
    fit(refit, 6, "keras_refit.csv", append=True, epochs=30)
    print(f"Keras {keras.__version__}, backend {keras.backend.backend()}")
