"""Compiled models, kept from fit to fit: TensorFlow traces a rung once per process, not once per fit.

A kept model is as good as new at the start of each fit: whatever it can remember, the states of its dropout and of its
optimizer included, takes the value it has in a model just built. The curves are the same bit for bit.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from omegaconf import MISSING

from rfcx_lab.config import RungConfig, signature
from rfcx_lab.model.rung import build_model

if TYPE_CHECKING:
    import keras

MOST_KEPT = 12  # models; each holds some 15 MB, and a ladder has fewer rungs
STEPS_PER_EXECUTION = 32
"""Training steps from one return to Python to the next: the way back costs a tenth of a small step."""

_kept: OrderedDict[str, keras.Model] = OrderedDict()


@contextmanager
def compiled_model(
    rung: RungConfig,
    *,
    input_shape: tuple[int, int],
    classes: int,
    learning_rate: float,
    seed: int,
    running: bool = False,
) -> Iterator[keras.Model]:
    """A model of `rung` for normalised features, initialised from `seed` and ready to be fitted with Adam.

    It measures its accuracy while it is trained where that is asked for, by `running`.

    The global random generators are seeded too. The model is lent for the length of the block; after one that raises
    it is not used again.
    """
    import keras

    key = _key(rung, input_shape=input_shape, classes=classes, running=running)
    kept = _kept.pop(key, None)
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)  # the order in which rows are shuffled; the model has seeds of its own
    model = build_model(rung, input_shape=input_shape, classes=classes, seed=seed)
    optimizer = keras.optimizers.Adam(learning_rate)
    if kept is None:
        model.compile(
            optimizer=optimizer,
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"] if running else None,
            jit_compile=False,
            steps_per_execution=STEPS_PER_EXECUTION,
        )
    else:
        optimizer.build(model.trainable_variables)
        _copy(model.variables, kept.variables)
        _copy(optimizer.variables, kept.optimizer.variables)
        model = kept
    yield model
    _kept[key] = model
    while len(_kept) > MOST_KEPT:
        _kept.popitem(last=False)


def _copy(source: list[Any], target: list[Any]) -> None:
    for new, old in zip(source, target, strict=True):
        old.assign(new)


def _key(rung: RungConfig, *, input_shape: tuple[int, int], classes: int, running: bool) -> str:
    """What decides a graph. The learning rate is a variable of the optimizer, and a name is nothing to a graph."""
    plain = signature(replace(rung, name=MISSING, role="capacity"))
    return json.dumps([plain, input_shape, classes, running], sort_keys=True)
