"""Simulated learning curves of known truth, in families of real-world kinds.

Every curve is drawn from a random generator of its own, so that more of them change none of those before. A label is
the truth of the curve *without* its noise: overfit where that rises by at least 6 % of the plot's height (what both
curves span from top to bottom) over its minimum, not overfit where by at most 2 %. What lies between, people call
differently; it is not drawn.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

import numpy as np
from onset_curves import (
    History,
    Pair,
    Series,
    add_rise,
    draw_base,
    draw_epochs,
    draw_share,
    draw_size,
    draw_train,
    noise,
    plot_height,
    scatter,
)


def draw_families(per_family: int, *, seed: int = 0) -> Iterator[History]:
    """Draw `per_family` curves of every simulated family."""
    for overfit, families in ((True, OVERFIT), (False, NOT_OVERFIT)):
        for name, draw in families.items():
            for index in range(per_family):
                rng = np.random.default_rng([seed, index, zlib.crc32(name.encode())])
                train, val = draw(rng)
                yield History(f"{name} {index}", name, overfit, train, val)


def _turning(low: float, high: float, *, most_noise: float) -> Callable[[np.random.Generator], Pair]:
    def draw(rng: np.random.Generator) -> Pair:
        epochs, size = draw_epochs(rng), draw_size(rng, high=most_noise)
        turn = max(int(epochs * rng.uniform(low, high)), 3)
        train, val = draw_base(rng, epochs, turn=turn)
        return scatter(rng, train, add_rise(rng, train, val, at=turn, share=draw_share(rng, size)), size=size)

    return draw


def _spiky_turn(rng: np.random.Generator) -> Pair:
    train, val = _turning(0.1, 0.5, most_noise=0.01)(rng)
    return train, val + draw_spikes(rng, train, val)


def draw_spikes(rng: np.random.Generator, train: Series, val: Series) -> Series:
    """One epoch in 10 to 40 stands out by up to half of the plot's height."""
    struck = rng.uniform(size=len(val)) < rng.uniform(0.025, 0.1)
    return np.asarray(struck * rng.exponential(0.2, len(val)) * plot_height(train, val))


def _dropping(rng: np.random.Generator, *, share: float, size: float) -> Pair:
    """A noisy phase at a high learning rate, a drop of both losses, then a quieter phase with a rise by `share`.

    As adversarially trained nets do (Rice et al., Overfitting in adversarially robust deep learning, ICML 2020).
    """
    epochs = draw_epochs(rng, 60, 300)
    drop = int(epochs * rng.uniform(0.3, 0.65))
    train, val = draw_base(rng, epochs, turn=int(drop * rng.uniform(0.3, 1.2)))
    phase = np.arange(epochs) - drop
    settled = (phase >= 0) * (1 - np.exp(-(np.clip(phase, 0, None) + 1) / rng.uniform(0.5, 3)))
    depth = rng.uniform(0.08, 0.3) * plot_height(train, val)
    val = val + 2 * depth - depth * settled
    train = train + depth - depth * settled * rng.uniform(0.8, 1.0)
    if share > 0:
        val = add_rise(rng, train, val, at=drop + int(rng.integers(1, 6)), share=share)
    noisy_train, noisy = scatter(rng, train, val, size=size)
    quiet = np.where(phase >= 0, rng.uniform(0.2, 0.6), 1.0)
    return train + quiet * (noisy_train - train), val + quiet * (noisy - val)


def _dropping_turn(rng: np.random.Generator) -> Pair:
    size = draw_size(rng, high=0.03)
    return _dropping(rng, share=draw_share(rng, 0.6 * size), size=size)


def _coarse_turn(rng: np.random.Generator) -> Pair:
    """Read off a figure: a point every few epochs, straight lines between."""
    train, val = _turning(0.1, 0.5, most_noise=0.015)(rng)
    return _interpolate(train, every=int(rng.integers(2, 6))), _interpolate(val, every=int(rng.integers(2, 6)))


def _interpolate(values: Series, *, every: int) -> Series:
    known = np.unique(np.append(np.arange(0, len(values), every), len(values) - 1))
    return np.interp(np.arange(len(values)), known, values[known])


def _plateau(rng: np.random.Generator, *, slight: float = 0.0, high: float = 0.05) -> Pair:
    epochs, size = draw_epochs(rng), draw_size(rng, high=high)
    turn = max(int(epochs * rng.uniform(0.05, 0.6)), 3)
    train, val = draw_base(rng, epochs, turn=turn)
    if slight > 0:
        val = add_rise(rng, train, val, at=turn, share=slight)
    return scatter(rng, train, val, size=size)


def _improving(rng: np.random.Generator) -> Pair:
    epochs = draw_epochs(rng)
    train, val = draw_base(rng, epochs, turn=int(epochs * rng.uniform(0.8, 3)))
    return scatter(rng, train, val, size=draw_size(rng))


def _correlated_plateau(rng: np.random.Generator) -> Pair:
    epochs, size = draw_epochs(rng), draw_size(rng)
    train, val = draw_base(rng, epochs, turn=max(int(epochs * rng.uniform(0.05, 0.5)), 3))
    return train, val + size * plot_height(train, val) * noise(rng, epochs, correlation=rng.uniform(0.5, 0.8))


def _wander(rng: np.random.Generator, train: Series, val: Series) -> Series:
    """Slow, smooth wandering by 0.3 to 1.5 % of the plot's height, as of a validation set with few hard cases."""
    slow = noise(rng, len(val) + 9, correlation=rng.uniform(0.8, 0.95))
    smooth = np.convolve(slow, np.ones(10) / 10, mode="valid")
    return np.asarray(rng.uniform(0.003, 0.015) * plot_height(train, val) * smooth)


def _wandering(draw: Callable[[np.random.Generator], Pair]) -> Callable[[np.random.Generator], Pair]:
    def wander(rng: np.random.Generator) -> Pair:
        train, val = draw(rng)
        return train, val + _wander(rng, train, val)

    return wander


def _spiky_plateau(rng: np.random.Generator) -> Pair:
    train, val = _plateau(rng, high=0.01)
    return train, val + draw_spikes(rng, train, val)


def _unstable(rng: np.random.Generator) -> Pair:
    """Both losses jump once or twice and come back within a few to 20 epochs."""
    train, val = _plateau(rng, high=0.01)
    epochs = len(val)
    for _ in range(rng.integers(1, 3)):
        after = np.arange(epochs) - int(epochs * rng.uniform(0.2, 0.9))
        jump = (after >= 0) * np.exp(-np.clip(after, 0, None) / rng.uniform(1, 8)) * plot_height(train, val)
        train, val = train + rng.uniform(0.2, 0.5) * jump, val + rng.uniform(0.2, 0.5) * jump
    return train, val


def _restarts(rng: np.random.Generator) -> Pair:
    """A cosine schedule with warm restarts: both losses jump up at each and end lower than before."""
    train, val = _plateau(rng, high=0.01)
    epochs = len(val)
    cycle = max(epochs // int(rng.integers(3, 7)), 8)
    heat = (1 + np.cos(np.pi * (np.arange(epochs) % cycle) / cycle)) / 2 * plot_height(train, val)
    return train + rng.uniform(0.1, 0.3) * heat, val + rng.uniform(0.1, 0.3) * heat


def _bump(rng: np.random.Generator) -> Pair:
    """Epoch-wise double descent (Nakkiran et al. 2020): up by 6 to 15 % of the height, then below the first minimum."""
    epochs = draw_epochs(rng, 100, 500)
    train, val = draw_base(rng, epochs, turn=int(epochs * 0.1))
    epoch = np.arange(epochs) / epochs
    height = plot_height(train, val)
    val = val + rng.uniform(0.06, 0.15) * height * np.exp(-(((epoch - 0.3) / 0.1) ** 2))
    return scatter(rng, train, val - 0.15 * height * np.clip((epoch - 0.3) / 0.7, 0, 1), size=draw_size(rng, high=0.01))


def _restless_start(rng: np.random.Generator) -> Pair:
    """Validation jumps about for the first tenth, as with batch normalisation and a warm-up, then improves."""
    train, val = _improving(rng)
    epochs = len(val)
    fading = np.exp(-np.arange(epochs) / max(epochs * 0.04, 2))
    return train, val + 0.4 * plot_height(train, val) * fading * np.abs(noise(rng, epochs, correlation=0.3))


def _never_learning(rng: np.random.Generator) -> Pair:
    """Training falls, validation only scatters."""
    epochs, size = draw_epochs(rng), draw_size(rng)
    train = draw_train(rng, epochs, within=epochs * rng.uniform(0.3, 2))
    val = np.full(epochs, train[0] * rng.uniform(0.95, 1.1))
    return train, val + size * plot_height(train, val) * noise(rng, epochs, correlation=rng.choice([0.0, 0.3, 0.6]))


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
    "plateau after a drop": lambda rng: _dropping(rng, share=0.0, size=draw_size(rng, high=0.03)),
    "unstable": _unstable,
    "restarts": _restarts,
    "double descent": _bump,
    "restless start": _restless_start,
    "never learning": _never_learning,
}
