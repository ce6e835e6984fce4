"""What simulated learning curves are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]
Pair = tuple[Series, Series]


@dataclass(frozen=True)
class History:
    """Training and validation loss of one fit, and whether it overfits."""

    name: str
    task: str
    overfit: bool
    train: Series
    val: Series


def noise(rng: np.random.Generator, epochs: int, *, correlation: float = 0.0) -> Series:
    """AR(1) noise of variance 1."""
    shocks = rng.normal(size=epochs)
    for i in range(1, epochs):
        shocks[i] = correlation * shocks[i - 1] + np.sqrt(1 - correlation**2) * shocks[i]
    return shocks


def draw_epochs(rng: np.random.Generator, low: int = 30, high: int = 500) -> int:
    """Draw a number of epochs, even on a log scale."""
    return int(np.exp(rng.uniform(np.log(low), np.log(high))))


def descend(rng: np.random.Generator, epochs: int, *, within: float) -> Series:
    """From 1 to about 0 within so many epochs: exponential, stretched, or slow to start."""
    epoch = np.arange(epochs) / max(within, 1.0)
    kind = rng.integers(3)
    if kind == 0:
        return np.exp(-3.5 * epoch)
    if kind == 1:
        return np.exp(-3.5 * epoch ** rng.uniform(0.5, 0.8))
    start = 1 / (1 + np.exp(10 * (epoch - 0.45)))
    return start / start[0]


def draw_train(rng: np.random.Generator, epochs: int, *, within: float) -> Series:
    """A training loss from about 2 to a floor: falling all the way, beyond where validation stops."""
    start, floor = rng.uniform(1.0, 2.5), rng.uniform(0.0, 0.4)
    return floor + (start - floor) * descend(rng, epochs, within=within * rng.uniform(1.2, 3.0))


def plot_height(train: Series, val: Series) -> float:
    """What both curves span from top to bottom."""
    return float(max(train.max(), val.max()) - min(train.min(), val.min()))


def draw_rise(rng: np.random.Generator, epochs: int, *, at: int) -> Series:
    """From 0 at epoch `at` to 1 at the end: straight, levelling off or speeding up."""
    after = np.clip(np.arange(epochs) - at, 0, None) / max(epochs - 1 - at, 1)
    return after ** rng.choice([0.6, 1.0, 1.0, 1.5])


def add_rise(rng: np.random.Generator, train: Series, val: Series, *, at: int, share: float) -> Series:
    """Let `val` rise from epoch `at` on until its last value stands `share` of the plot's height over its lowest."""
    shape = draw_rise(rng, len(val), at=at)
    size = share * plot_height(train, val)
    for _ in range(50):  # the rise makes the plot higher and fights what is left of the descent
        risen = val + size * shape
        size *= share * plot_height(train, risen) / max(risen[-1] - risen.min(), 1e-9)
    return val + size * shape


def scatter(rng: np.random.Generator, train: Series, val: Series, *, size: float) -> Pair:
    """Noise of `size` of the plot's height on validation and a fifth to all of it on training, correlated or not."""
    height = plot_height(train, val)
    correlation = rng.choice([0.0, 0.0, 0.3, 0.6])
    growth = np.linspace(1, rng.choice([0.5, 1.0, 1.0, 2.0]), len(val))
    noisy = val + size * height * growth * noise(rng, len(val), correlation=correlation)
    quieter = size * rng.uniform(0.1, 0.8) * height * np.clip(train / train.max(), 0.02, 1)
    return train + quieter * noise(rng, len(val), correlation=correlation), noisy


def draw_size(rng: np.random.Generator, low: float = 0.001, high: float = 0.04) -> float:
    """Draw the size of noise, as a share of the plot's height."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def draw_share(rng: np.random.Generator, noise_size: float) -> float:
    """How far validation rises, in plot heights: seen over the noise by a person, so at least five times it."""
    lowest = max(0.06, 5 * noise_size)
    return float(np.exp(rng.uniform(np.log(lowest), np.log(max(0.6, 1.5 * lowest)))))


def draw_base(rng: np.random.Generator, epochs: int, *, turn: int) -> Pair:
    """Training falling on; validation from a start near it to a level above (or, with dropout, below) it."""
    train = draw_train(rng, epochs, within=max(turn, 2))
    start = train[0] * rng.uniform(0.8, 1.1)
    level = start * rng.uniform(0.15, 0.8)
    return train, level + (start - level) * descend(rng, epochs, within=max(turn, 2))
