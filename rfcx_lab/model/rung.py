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
    the softmax straight on the last LSTM. With `cell: gru` they are GRUs.

    Weight decay is added to the loss as the sum of squares of every kernel, recurrent ones included, not taken off the
    weights by the optimizer (AdamW): that would be the learning rate times 1e-3 per step, a thousandth over a whole
    fit, where Adam scales a gradient up as long as there is no larger one, and so weighs this one once the training
    part is fitted. The losses of the curves are without it.

    Every initial weight and dropout mask follows from `seed` alone. Keras would draw seeds of its own from Python's
    global generator, which other threads of the process (a Dask worker's event loop) draw from too.
    """
    import keras
    from keras import layers
    from keras.initializers import GlorotUniform, Orthogonal

    def decay() -> keras.Regularizer | None:
        return keras.regularizers.L2(rung.weight_decay) if rung.weight_decay else None

    seeds = (int(state) >> 1 for state in np.random.SeedSequence(seed).generate_state(_MOST_SEEDS))

    stack: list[keras.Layer] = [keras.Input(input_shape)]
    if scaling is not None:
        stack.append(layers.Normalization(axis=scaling.axis, mean=scaling.mean, variance=scaling.variance))
    recurrent = layers.GRU if rung.cell == "gru" else layers.LSTM
    for depth, units in enumerate(rung.lstm, start=1):
        stack.append(
            recurrent(
                units,
                return_sequences=depth < len(rung.lstm),
                kernel_initializer=GlorotUniform(next(seeds)),
                recurrent_initializer=Orthogonal(seed=next(seeds)),
                kernel_regularizer=decay(),
                recurrent_regularizer=decay(),
            )
        )
        if rung.lstm_dropout:
            stack.append(layers.Dropout(rung.lstm_dropout, seed=next(seeds)))
    for units, rate in zip(rung.dense, rung.dense_dropout or [0.0] * len(rung.dense), strict=True):
        stack.append(_dense(units, "relu", seed=next(seeds), decay=decay()))
        if rate:
            stack.append(layers.Dropout(rate, seed=next(seeds)))
    stack.append(_dense(classes, "softmax", seed=next(seeds), decay=decay()))
    return keras.Sequential(stack)


def _dense(units: int, activation: str, *, seed: int, decay: keras.Regularizer | None) -> keras.Layer:
    from keras import initializers, layers

    kernel = initializers.GlorotUniform(seed)
    return layers.Dense(units, activation=activation, kernel_initializer=kernel, kernel_regularizer=decay)


def trainable_parameters(rung: RungConfig, *, width: int, classes: int) -> int:
    """Weights that training moves, for inputs of `width` numbers per frame; needs no Keras."""
    total = 0
    for units in rung.lstm:
        if rung.cell == "gru":
            total += 3 * units * (width + units + 2)  # Keras's GRU has a bias for either side
        else:
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
        if rung.cell not in ("lstm", "gru"):
            raise LabError(f"{where}: cell={rung.cell} must be lstm or gru.")
        if rung.weight_decay < 0:
            raise LabError(f"{where}: weight_decay={rung.weight_decay} must not be negative.")
        if rung.role not in ("capacity", "remedy"):
            raise LabError(f"{where}: role={rung.role} must be capacity or remedy.")
