"""Learning curves of known truth: simulated families of real-world kinds, and degraded copies of real histories.

Every curve is drawn from a random generator of its own, so that more of them change none of those before. A label is the
truth of the curve *without* its noise: overfit where that rises by at least 6 % of the plot's height (what both curves
span from top to bottom) over its minimum, not overfit where by at most 2 %. What lies between, people call
differently; it is not drawn.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
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


def draw_families(per_family: int, *, seed: int = 0) -> Iterator[History]:
    """Draw `per_family` curves of every simulated family."""
    for overfit, families in ((True, OVERFIT), (False, NOT_OVERFIT)):
        for name, draw in families.items():
            for index in range(per_family):
                rng = np.random.default_rng([seed, index, zlib.crc32(name.encode())])
                train, val = draw(rng)
                yield History(f"{name} {index}", name, overfit, train, val)


def degrade(history: History, *, way: str, seed: int = 0) -> History:
    """Make a copy that is noisier, shorter, coarser or dropping; the label is kept, `ways` says what is done."""
    rng = np.random.default_rng([seed, zlib.crc32(history.name.encode()), zlib.crc32(way.encode())])
    train, val = DEGRADATIONS[way](rng, history.train, history.val)
    return History(history.name, history.task, history.overfit, train, val)


def noise(rng: np.random.Generator, epochs: int, *, correlation: float = 0.0) -> Series:
    """AR(1) noise of variance 1."""
    shocks = rng.normal(size=epochs)
    for i in range(1, epochs):
        shocks[i] = correlation * shocks[i - 1] + np.sqrt(1 - correlation**2) * shocks[i]
    return shocks


# ------------------------------------------------------------------------------------------------ what curves are made of


def _epochs(rng: np.random.Generator, low: int = 30, high: int = 500) -> int:
    return int(np.exp(rng.uniform(np.log(low), np.log(high))))


def _descent(rng: np.random.Generator, epochs: int, *, within: float) -> Series:
    """From 1 to about 0 within so many epochs: exponential, stretched, or slow to start."""
    epoch = np.arange(epochs) / max(within, 1.0)
    kind = rng.integers(3)
    if kind == 0:
        return np.exp(-3.5 * epoch)
    if kind == 1:
        return np.exp(-3.5 * epoch ** rng.uniform(0.5, 0.8))
    start = 1 / (1 + np.exp(10 * (epoch - 0.45)))
    return start / start[0]


def _train(rng: np.random.Generator, epochs: int, *, within: float) -> Series:
    """A training loss from about 2 to a floor: falling all the way, beyond where validation stops."""
    start, floor = rng.uniform(1.0, 2.5), rng.uniform(0.0, 0.4)
    return floor + (start - floor) * _descent(rng, epochs, within=within * rng.uniform(1.2, 3.0))


def _height(train: Series, val: Series) -> float:
    return float(max(train.max(), val.max()) - min(train.min(), val.min()))


def _rise(rng: np.random.Generator, epochs: int, *, at: int) -> Series:
    """From 0 at epoch `at` to 1 at the end: straight, levelling off or speeding up."""
    after = np.clip(np.arange(epochs) - at, 0, None) / max(epochs - 1 - at, 1)
    return after ** rng.choice([0.6, 1.0, 1.0, 1.5])


def _add_rise(rng: np.random.Generator, train: Series, val: Series, *, at: int, share: float) -> Series:
    """Let `val` rise from epoch `at` on until its last value stands `share` of the plot's height over its lowest."""
    shape = _rise(rng, len(val), at=at)
    size = share * _height(train, val)
    for _ in range(50):  # the rise makes the plot higher and fights what is left of the descent
        risen = val + size * shape
        size *= share * _height(train, risen) / max(risen[-1] - risen.min(), 1e-9)
    return val + size * shape


def _scatter(rng: np.random.Generator, train: Series, val: Series, *, size: float) -> Pair:
    """Noise of `size` of the plot's height on validation and a fifth to all of it on training, correlated or not."""
    height = _height(train, val)
    correlation = rng.choice([0.0, 0.0, 0.3, 0.6])
    growth = np.linspace(1, rng.choice([0.5, 1.0, 1.0, 2.0]), len(val))
    noisy = val + size * height * growth * noise(rng, len(val), correlation=correlation)
    quieter = size * rng.uniform(0.1, 0.8) * height * np.clip(train / train.max(), 0.02, 1)
    return train + quieter * noise(rng, len(val), correlation=correlation), noisy


def _size(rng: np.random.Generator, low: float = 0.001, high: float = 0.04) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _share(rng: np.random.Generator, noise_size: float) -> float:
    """How far validation rises, in plot heights: seen over the noise by a person, so at least five times it."""
    lowest = max(0.06, 5 * noise_size)
    return float(np.exp(rng.uniform(np.log(lowest), np.log(max(0.6, 1.5 * lowest)))))


def _base(rng: np.random.Generator, epochs: int, *, turn: int) -> Pair:
    """Training falling on; validation from a start near it to a level above (or, with dropout, below) it."""
    train = _train(rng, epochs, within=max(turn, 2))
    start = train[0] * rng.uniform(0.8, 1.1)
    level = start * rng.uniform(0.15, 0.8)
    return train, level + (start - level) * _descent(rng, epochs, within=max(turn, 2))


# ------------------------------------------------------------------------------------------------------------- families


def _turning(low: float, high: float, *, most_noise: float) -> Callable[[np.random.Generator], Pair]:
    def draw(rng: np.random.Generator) -> Pair:
        epochs, size = _epochs(rng), _size(rng, high=most_noise)
        turn = max(int(epochs * rng.uniform(low, high)), 3)
        train, val = _base(rng, epochs, turn=turn)
        return _scatter(rng, train, _add_rise(rng, train, val, at=turn, share=_share(rng, size)), size=size)

    return draw


def _spiky_turn(rng: np.random.Generator) -> Pair:
    train, val = _turning(0.1, 0.5, most_noise=0.01)(rng)
    return train, val + _spikes(rng, train, val)


def _spikes(rng: np.random.Generator, train: Series, val: Series) -> Series:
    """One epoch in 10 to 40 stands out by up to half of the plot's height."""
    struck = rng.uniform(size=len(val)) < rng.uniform(0.025, 0.1)
    return np.asarray(struck * rng.exponential(0.2, len(val)) * _height(train, val))


def _dropping(rng: np.random.Generator, *, share: float, size: float) -> Pair:
    """A noisy phase at a high learning rate, a drop of both losses, a quieter phase in which validation rises by `share`.

    As adversarially trained nets do (Rice et al., Overfitting in adversarially robust deep learning, ICML 2020).
    """
    epochs = _epochs(rng, 60, 300)
    drop = int(epochs * rng.uniform(0.3, 0.65))
    train, val = _base(rng, epochs, turn=int(drop * rng.uniform(0.3, 1.2)))
    phase = np.arange(epochs) - drop
    settled = (phase >= 0) * (1 - np.exp(-(np.clip(phase, 0, None) + 1) / rng.uniform(0.5, 3)))
    depth = rng.uniform(0.08, 0.3) * _height(train, val)
    val = val + 2 * depth - depth * settled
    train = train + depth - depth * settled * rng.uniform(0.8, 1.0)
    if share > 0:
        val = _add_rise(rng, train, val, at=drop + int(rng.integers(1, 6)), share=share)
    noisy_train, noisy = _scatter(rng, train, val, size=size)
    quiet = np.where(phase >= 0, rng.uniform(0.2, 0.6), 1.0)
    return train + quiet * (noisy_train - train), val + quiet * (noisy - val)


def _dropping_turn(rng: np.random.Generator) -> Pair:
    size = _size(rng, high=0.03)
    return _dropping(rng, share=_share(rng, 0.6 * size), size=size)


def _coarse_turn(rng: np.random.Generator) -> Pair:
    """Read off a figure: a point every few epochs, straight lines between."""
    train, val = _turning(0.1, 0.5, most_noise=0.015)(rng)
    return _interpolate(train, every=int(rng.integers(2, 6))), _interpolate(val, every=int(rng.integers(2, 6)))


def _interpolate(values: Series, *, every: int) -> Series:
    known = np.unique(np.append(np.arange(0, len(values), every), len(values) - 1))
    return np.interp(np.arange(len(values)), known, values[known])


def _plateau(rng: np.random.Generator, *, slight: float = 0.0, high: float = 0.05) -> Pair:
    epochs, size = _epochs(rng), _size(rng, high=high)
    turn = max(int(epochs * rng.uniform(0.05, 0.6)), 3)
    train, val = _base(rng, epochs, turn=turn)
    if slight > 0:
        val = _add_rise(rng, train, val, at=turn, share=slight)
    return _scatter(rng, train, val, size=size)


def _improving(rng: np.random.Generator) -> Pair:
    epochs = _epochs(rng)
    train, val = _base(rng, epochs, turn=int(epochs * rng.uniform(0.8, 3)))
    return _scatter(rng, train, val, size=_size(rng))


def _correlated_plateau(rng: np.random.Generator) -> Pair:
    epochs, size = _epochs(rng), _size(rng)
    train, val = _base(rng, epochs, turn=max(int(epochs * rng.uniform(0.05, 0.5)), 3))
    return train, val + size * _height(train, val) * noise(rng, epochs, correlation=rng.uniform(0.5, 0.8))


def _wander(rng: np.random.Generator, train: Series, val: Series) -> Series:
    """Slow, smooth wandering by 0.3 to 1.5 % of the plot's height, as of a validation set with few hard cases."""
    slow = noise(rng, len(val) + 9, correlation=rng.uniform(0.8, 0.95))
    smooth = np.convolve(slow, np.ones(10) / 10, mode="valid")
    return np.asarray(rng.uniform(0.003, 0.015) * _height(train, val) * smooth)


def _wandering(draw: Callable[[np.random.Generator], Pair]) -> Callable[[np.random.Generator], Pair]:
    def wander(rng: np.random.Generator) -> Pair:
        train, val = draw(rng)
        return train, val + _wander(rng, train, val)

    return wander


def _spiky_plateau(rng: np.random.Generator) -> Pair:
    train, val = _plateau(rng, high=0.01)
    return train, val + _spikes(rng, train, val)


def _unstable(rng: np.random.Generator) -> Pair:
    """Both losses jump once or twice and come back within a few to 20 epochs."""
    train, val = _plateau(rng, high=0.01)
    epochs = len(val)
    for _ in range(rng.integers(1, 3)):
        after = np.arange(epochs) - int(epochs * rng.uniform(0.2, 0.9))
        jump = (after >= 0) * np.exp(-np.clip(after, 0, None) / rng.uniform(1, 8)) * _height(train, val)
        train, val = train + rng.uniform(0.2, 0.5) * jump, val + rng.uniform(0.2, 0.5) * jump
    return train, val


def _restarts(rng: np.random.Generator) -> Pair:
    """A cosine schedule with warm restarts: both losses jump up at each and end lower than before."""
    train, val = _plateau(rng, high=0.01)
    epochs = len(val)
    cycle = max(epochs // int(rng.integers(3, 7)), 8)
    heat = (1 + np.cos(np.pi * (np.arange(epochs) % cycle) / cycle)) / 2 * _height(train, val)
    return train + rng.uniform(0.1, 0.3) * heat, val + rng.uniform(0.1, 0.3) * heat


def _bump(rng: np.random.Generator) -> Pair:
    """Epoch-wise double descent (Nakkiran et al. 2020): up by 6 to 15 % of the height, then below the first minimum."""
    epochs = _epochs(rng, 100, 500)
    train, val = _base(rng, epochs, turn=int(epochs * 0.1))
    epoch = np.arange(epochs) / epochs
    height = _height(train, val)
    val = val + rng.uniform(0.06, 0.15) * height * np.exp(-(((epoch - 0.3) / 0.1) ** 2))
    return _scatter(rng, train, val - 0.15 * height * np.clip((epoch - 0.3) / 0.7, 0, 1), size=_size(rng, high=0.01))


def _restless_start(rng: np.random.Generator) -> Pair:
    """Validation jumps about for the first tenth, as with batch normalisation and a warm-up, then improves."""
    train, val = _improving(rng)
    epochs = len(val)
    fading = np.exp(-np.arange(epochs) / max(epochs * 0.04, 2))
    return train, val + 0.4 * _height(train, val) * fading * np.abs(noise(rng, epochs, correlation=0.3))


def _never_learning(rng: np.random.Generator) -> Pair:
    """Training falls, validation only scatters."""
    epochs, size = _epochs(rng), _size(rng)
    train = _train(rng, epochs, within=epochs * rng.uniform(0.3, 2))
    val = np.full(epochs, train[0] * rng.uniform(0.95, 1.1))
    return train, val + size * _height(train, val) * noise(rng, epochs, correlation=rng.choice([0.0, 0.3, 0.6]))


OVERFIT: dict[str, Callable[[np.random.Generator], Pair]] = {
    "turning": _turning(0.1, 0.6, most_noise=0.005),
    "turning, noisy": _turning(0.1, 0.6, most_noise=0.05),
    "turning at once": _turning(0.02, 0.08, most_noise=0.03),
    "turning, spiky": _spiky_turn,
    "turning, wandering": _wandering(_turning(0.1, 0.6, most_noise=0.005)),
    "turning after a drop": _dropping_turn,
    "turning, read off": _coarse_turn,
}
NOT_OVERFIT: dict[str, Callable[[np.random.Generator], Pair]] = {
    "improving": _improving,
    "plateau": _plateau,
    "plateau, correlated": _correlated_plateau,
    "plateau, wandering": _wandering(lambda rng: _plateau(rng, high=0.01)),
    "improving, wandering": _wandering(_improving),
    "plateau, rising by 1-2 %": lambda rng: _plateau(rng, slight=rng.uniform(0.01, 0.02), high=0.01),
    "plateau, spiky": _spiky_plateau,
    "plateau after a drop": lambda rng: _dropping(rng, share=0.0, size=_size(rng, high=0.03)),
    "unstable": _unstable,
    "restarts": _restarts,
    "double descent": _bump,
    "restless start": _restless_start,
    "never learning": _never_learning,
}


# --------------------------------------------------------------------------------------------------- degraded histories


def _noisy(size: float, correlation: float = 0.0) -> Callable[[np.random.Generator, Series, Series], Pair]:
    def degrade(rng: np.random.Generator, train: Series, val: Series) -> Pair:
        scale = size * _height(train, val)
        quieter = 0.3 * scale * np.clip(train / train.max(), 0.02, 1) * noise(rng, len(val), correlation=correlation)
        return train + quieter, val + scale * noise(rng, len(val), correlation=correlation)

    return degrade


def _thin(every: int, size: float = 0.0) -> Callable[[np.random.Generator, Series, Series], Pair]:
    def degrade(rng: np.random.Generator, train: Series, val: Series) -> Pair:
        return _noisy(size)(rng, train[::every], val[::every])

    return degrade


def _drop(rng: np.random.Generator, train: Series, val: Series) -> Pair:
    """Both losses drop by 10 % of the height within a few epochs, somewhere in the first half of the way to the best."""
    best = int(np.argmin(val))
    at = int(best * rng.uniform(0.2, 0.5))
    step = np.clip((np.arange(len(val)) - at) / 3, 0, 1) * 0.1 * _height(train, val)
    return _noisy(0.003)(rng, train + 0.1 * _height(train, val) - step, val + 0.1 * _height(train, val) - step)


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
