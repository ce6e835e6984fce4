"""From a rung's line in the YAML to a Keras model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rfcx_lab.config import RungConfig
from rfcx_lab.errors import LabError
from rfcx_lab.model.scaling import Scaling

if TYPE_CHECKING:
    import keras

_MOST_SEEDS = 1000  # far more than any rung has layers


def build_model(
    rung: RungConfig, *, input_shape: tuple[int, int], classes: int, seed: int, scaling: Scaling | None = None
) -> keras.Model:
    """An uncompiled model from features `[batch, T, F]` to class probabilities `[batch, classes]`.

    With `scaling`, normalisation is its first layer, and it takes raw features, as a saved model has to; without, it
    takes normalised ones. With `lstm: [a, b]` the first LSTM hands its whole sequence to the second; `dense: []` puts
    the softmax straight on the last LSTM.

    Every initial weight and dropout mask follows from `seed` alone. Keras would draw seeds of its own from Python's
    global generator, which other threads of the process (a Dask worker's event loop) draw from too.
    """
    import keras
    from keras import layers
    from keras.initializers import GlorotUniform, Orthogonal

    seeds = (int(state) >> 1 for state in np.random.SeedSequence(seed).generate_state(_MOST_SEEDS))

    stack: list[keras.Layer] = [keras.Input(input_shape)]
    if scaling is not None:
        stack.append(layers.Normalization(axis=-1, mean=scaling.mean, variance=scaling.variance))
    for depth, units in enumerate(rung.lstm, start=1):
        stack.append(
            layers.LSTM(
                units,
                return_sequences=depth < len(rung.lstm),
                kernel_initializer=GlorotUniform(next(seeds)),
                recurrent_initializer=Orthogonal(seed=next(seeds)),
            )
        )
        if rung.lstm_dropout:
            stack.append(layers.Dropout(rung.lstm_dropout, seed=next(seeds)))
    for units, rate in zip(rung.dense, rung.dense_dropout or [0.0] * len(rung.dense), strict=True):
        stack.append(layers.Dense(units, activation="relu", kernel_initializer=GlorotUniform(next(seeds))))
        if rate:
            stack.append(layers.Dropout(rate, seed=next(seeds)))
    stack.append(layers.Dense(classes, activation="softmax", kernel_initializer=GlorotUniform(next(seeds))))
    return keras.Sequential(stack)


def trainable_parameters(rung: RungConfig, *, width: int, classes: int) -> int:
    """Weights that training moves, for inputs of `width` numbers per frame; needs no Keras."""
    total = 0
    for units in rung.lstm:
        total += 4 * units * (width + units + 1)  # four gates, each with input, recurrent and bias weights
        width = units
    for units in (*rung.dense, classes):
        total += units * (width + 1)
        width = units
    return total


def check_rungs(rungs: list[RungConfig]) -> None:
    """Raise LabError, naming the rung and the field, where a rung can't be built."""
    names = [rung.name for rung in rungs]
    if not rungs:
        raise LabError("ladder.rungs is empty; a ladder needs a rung.")
    for rung in rungs:
        where = f"ladder.rungs, {rung.name!r}"
        if names.count(rung.name) > 1:
            raise LabError(f"{where}: the name stands there twice; give each rung its own.")
        if not rung.lstm or min(rung.lstm) < 1:
            raise LabError(f"{where}: lstm={rung.lstm} must hold at least one width of 1 or more.")
        if rung.dense and min(rung.dense) < 1:
            raise LabError(f"{where}: dense={rung.dense} must hold widths of 1 or more.")
        if rung.dense_dropout and len(rung.dense_dropout) != len(rung.dense):
            raise LabError(f"{where}: dense_dropout must be empty or hold one rate per dense layer.")
        if not all(0 <= rate < 1 for rate in (rung.lstm_dropout, *rung.dense_dropout)):
            raise LabError(f"{where}: dropout rates must lie from 0 to below 1.")
        if rung.role not in ("capacity", "remedy"):
            raise LabError(f"{where}: role={rung.role} must be capacity or remedy.")
