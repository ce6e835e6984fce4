"""One process that fits rungs in a plain Keras loop, as `throughput.py` asks it to: a line of JSON in, one out.

Keras and TensorFlow as they come, on all cores unless told otherwise; a model built, compiled and fitted per fit, both
parts evaluated after each epoch in batches of 128.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from measure import Material, read_requests

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def fit(material: Material, rung: dict[str, Any], training: dict[str, Any], seed: int) -> list[tuple[float, ...]]:
    """The losses `(train, validation)` of every epoch."""
    import keras
    from keras import layers

    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    train, validation = material.parts()
    normalise = layers.Normalization(axis=-1)
    normalise.adapt(train[0])
    stack = [keras.Input(train[0].shape[1:]), normalise]
    for depth, units in enumerate(rung["lstm"], start=1):
        stack.append(layers.LSTM(units, return_sequences=depth < len(rung["lstm"])))
        if rung["lstm_dropout"]:
            stack.append(layers.Dropout(rung["lstm_dropout"]))
    for units, rate in zip(rung["dense"], rung["dense_dropout"] or [0.0] * len(rung["dense"]), strict=True):
        stack.append(layers.Dense(units, activation="relu"))
        if rate:
            stack.append(layers.Dropout(rate))
    stack.append(layers.Dense(material.classes, activation="softmax"))
    model = keras.Sequential(stack)
    model.compile(
        optimizer=keras.optimizers.Adam(training["learning_rate"]),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    curve: list[tuple[float, ...]] = []

    def measure(epoch: int, logs: object) -> None:
        curve.append(tuple(model.evaluate(x, y, batch_size=128, verbose=0)[0] for x, y in (train, validation)))

    model.fit(
        *train,
        epochs=training["epochs"],
        batch_size=training["batch_size"],
        shuffle=training["shuffle"],
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=measure)],
        verbose=0,
    )
    return curve


def main() -> None:
    """Answer requests until there are no more."""
    for request, material in read_requests():
        begin = time.perf_counter()
        curve = fit(material, request["rung"], request["training"], request["seed"])
        json.dump({"seconds": time.perf_counter() - begin, "last": curve[-1]}, sys.stdout)
        print(flush=True)


if __name__ == "__main__":
    main()
