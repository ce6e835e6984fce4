"""Copies of real histories that are noisier, coarser, or drop: what curves elsewhere are like."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
from onset_curves import History, Pair, Series, noise, plot_height


def degrade(history: History, *, way: str, seed: int = 0) -> History:
    """Make a copy that is noisier, shorter, coarser or dropping; its label is kept. `way` is a key of DEGRADATIONS."""
    rng = np.random.default_rng([seed, zlib.crc32(history.name.encode()), zlib.crc32(way.encode())])
    train, val = DEGRADATIONS[way](rng, history.train, history.val)
    return History(history.name, history.task, history.overfit, train, val)


def _noisy(size: float, correlation: float = 0.0) -> Callable[[np.random.Generator, Series, Series], Pair]:
    def degrade(rng: np.random.Generator, train: Series, val: Series) -> Pair:
        scale = size * plot_height(train, val)
        quieter = 0.3 * scale * np.clip(train / train.max(), 0.02, 1) * noise(rng, len(val), correlation=correlation)
        return train + quieter, val + scale * noise(rng, len(val), correlation=correlation)

    return degrade


def _thin(every: int, size: float = 0.0) -> Callable[[np.random.Generator, Series, Series], Pair]:
    def degrade(rng: np.random.Generator, train: Series, val: Series) -> Pair:
        return _noisy(size)(rng, train[::every], val[::every])

    return degrade


def _drop(rng: np.random.Generator, train: Series, val: Series) -> Pair:
    """Both losses drop by 10 % of the height within a few epochs, in the first half of the way to the best."""
    best = int(np.argmin(val))
    at = int(best * rng.uniform(0.2, 0.5))
    step = np.clip((np.arange(len(val)) - at) / 3, 0, 1) * 0.1 * plot_height(train, val)
    return _noisy(0.003)(rng, train + 0.1 * plot_height(train, val) - step, val + 0.1 * plot_height(train, val) - step)


DEGRADATIONS: dict[str, Callable[[np.random.Generator, Series, Series], Pair]] = {
    "as they are": lambda rng, train, val: (train, val),
    "noise 0.3 %": _noisy(0.003),
    "noise 1 %": _noisy(0.01),
    "noise 1 %, correlated": _noisy(0.01, 0.6),
    "noise 2 %": _noisy(0.02),
    "every 2nd epoch": _thin(2),
    "every 5th epoch, noise 0.5 %": _thin(5, 0.005),
    "every 10th epoch, noise 0.5 %": _thin(10, 0.005),
    "every 20th epoch, noise 1 %": _thin(20, 0.01),
    "a drop, noise 0.3 %": _drop,
}
