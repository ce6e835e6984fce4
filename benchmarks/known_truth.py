"""Learning curves, and whole ladders of them, whose onset epoch and rung are known.

A fit's log validation loss is a trend and noise. Without the noise,

    a + depth ((o - t) / (o - 1))^p    up to its onset o,    a + rise ((t - o) / (T - o))^q    from there to epoch T,

so that o is its last minimiser. Noise is AR(1), as are the residuals of the ladders on record (`record_fit`).

Repeats vary as whole curves: split and seed shift a, log depth, log o and rise. Each is mean + spread z with
z = sqrt(rho) shared + sqrt(1 - rho) own. `shared` belongs to the recordings at hand, all repeats have it in common, and
`rho` is the correlation of two repeats. Nadeau and Bengio (2003) put it at the share of validation rows: with it, the
variance of a mean over n repeats is that of their correction, s^2 (1 / n + rho / (1 - rho)). Both parts are correlated
between rungs by `PAIRED`: repeats are paired.

The truth of a rung is that of the *population* of such data sets and splits: its rise is that of the mean log curve,
from its minimum to its last epoch, its onset the median. `given_shared` has the truth of the data at hand instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from onset_curves import Series, noise

from rfcx_lab.verdict import Curves, RungInfo

DESCENT_POWER, RISE_POWER = 2.0, 0.7  # medians of what fits the curves on record: 1 to 7, .4 to 1
PAIRED = 0.5  # correlation of two rungs in the same repeat; on record, of the lowest losses: .4 to .6 on average
NADEAU_BENGIO = 0.25  # correlation of two repeats with a quarter of the rows for validation
CHANCE = math.log(24)
_EARLIEST, _LATEST = 3.0, 0.9  # epochs; share of the budget
_PARAMETERS = 4  # level, depth, onset, rise


@dataclass(frozen=True)
class Noise:
    """AR(1) noise of the log loss: e(t) = phi e(t - 1) + shock(t)."""

    innovation: float  # standard deviation of the shocks
    phi: float

    @property
    def deviation(self) -> float:
        """Standard deviation of single values."""
        return self.innovation / math.sqrt(1 - self.phi**2)

    def draw(self, rng: np.random.Generator, epochs: int) -> Series:
        """Draw one curve's noise, `(epochs,)`."""
        return self.deviation * noise(rng, epochs, correlation=self.phi)


@dataclass(frozen=True)
class Spread:
    """Standard deviations between fits, over splits, seeds and sets of recordings."""

    level: float = 0.05
    depth: float = 0.2  # of the logarithm
    onset: float = 0.25  # of the logarithm
    rise: float = 0.07


@dataclass(frozen=True)
class KnownRung:
    """A rung's population of curves."""

    rise: float  # true: log of the last loss over the lowest, of the mean log curve
    onset: float = 8.0  # true median epoch
    depth: float = 0.3
    epochs: int = 30
    spread: Spread = Spread()
    noise: Noise = Noise(0.025, 0.1)
    learns: bool = True  # False: from chance on, it can only rise

    def trends(self, scores: NDArray[np.float64]) -> Series:
        """Log validation losses without noise, `(fits, epochs)`, of fits with standard normal `scores` `(4, fits)`."""
        level, depth, onset, rise = scores
        spread = self.spread
        depths = self.depth * np.exp(spread.depth * depth) if self.learns else np.zeros_like(depth)
        onsets = self.onsets(onset) if self.learns else np.ones_like(onset)
        shape, mean_rise = rise_shape(onsets, self.epochs), _solve_rise(self)
        made = descent_shape(onsets, self.epochs) * depths[:, None] + shape * (mean_rise + spread.rise * rise)[:, None]
        return np.asarray(CHANCE - self.depth * self.learns + (spread.level * level)[:, None] + made)

    def onsets(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Epochs of the fits' minima, not rounded."""
        return np.clip(self.onset * np.exp(self.spread.onset * scores), _EARLIEST, _LATEST * self.epochs)

    def lowest(self) -> float:
        """True log of the lowest loss, noise included: what the best checkpoint reaches, on average."""
        return _mean_lowest(self)

    def given_shared(self, shared: NDArray[np.float64], *, correlation: float) -> KnownTruth:
        """Give what repeats on these data, `shared` `(4,)`, would come to if there were no end of them."""
        scores = math.sqrt(correlation) * shared[:, None] + math.sqrt(1 - correlation) * _population()
        mean = self.trends(scores).mean(axis=0)
        return KnownTruth(float(np.median(self.onsets(scores[2]))), float(mean[-1] - mean.min()))


@dataclass(frozen=True)
class KnownTruth:
    """Median onset epoch and rise of the mean log curve."""

    onset: float
    rise: float


@dataclass(frozen=True)
class KnownLadder:
    """Capacity rungs, bottom to top, and how strongly repeats are correlated."""

    rungs: tuple[KnownRung, ...]
    correlation: float = NADEAU_BENGIO

    @property
    def order(self) -> tuple[RungInfo, ...]:
        """The rungs as `judge_ladder` wants them, `rung 0` and so on."""
        return tuple(RungInfo(f"rung {i}", "capacity", 100 * (i + 1)) for i in range(len(self.rungs)))

    def first_overfitting(self, margin: float) -> int | None:
        """Index of the true rung: the lowest whose rise is above `margin` (a share); None: there is none."""
        above = (i for i, rung in enumerate(self.rungs) if rung.learns and rung.rise > math.log1p(margin) + 1e-9)
        return next(above, None)

    def draw(self, rng: np.random.Generator, repeats: int) -> KnownDraw:
        """Draw one data set and so many repeats on it. More repeats change none of those before."""
        shared = self._paired(rng)
        curves: dict[str, list[Curves]] = {info.name: [] for info in self.order}
        for repeat in range(repeats):
            scores = math.sqrt(self.correlation) * shared + math.sqrt(1 - self.correlation) * self._paired(rng)
            for rung, info, score in zip(self.rungs, self.order, scores, strict=True):
                trend = rung.trends(score[:, None])[0]
                train = draw_training(rng, epochs=rung.epochs, noise=rung.noise)
                val = np.exp(trend + rung.noise.draw(rng, rung.epochs))
                curves[info.name].append(Curves(tuple(train), tuple(val), None, None, repeat=repeat))
        return KnownDraw(curves, shared)

    def _paired(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Standard normal scores, `(rungs, 4)`, correlated by PAIRED between rungs."""
        common, own = rng.normal(size=_PARAMETERS), rng.normal(size=(len(self.rungs), _PARAMETERS))
        return np.asarray(math.sqrt(PAIRED) * common + math.sqrt(1 - PAIRED) * own)


@dataclass(frozen=True)
class KnownDraw:
    """A drawn ladder's curves by rung, and the scores, `(rungs, 4)`, that all repeats of it have in common."""

    curves: Mapping[str, Sequence[Curves]]
    shared: NDArray[np.float64]


def draw_training(rng: np.random.Generator, *, epochs: int, noise: Noise) -> Series:
    """A training loss that falls all the way to a third, with a quarter of the validation loss's noise."""
    epoch = np.arange(epochs) / epochs
    trend = CHANCE - 1.1 * (1 - np.exp(-2 * epoch)) / (1 - math.exp(-2))
    return np.asarray(np.exp(trend + noise.draw(rng, epochs) / 4))


def descent_shape(onsets: NDArray[np.float64], epochs: int, *, power: float = DESCENT_POWER) -> Series:
    """From 1 at the first epoch down to 0 at the onset; `(fits,)` to `(fits, epochs)`."""
    epoch, at = np.arange(1, epochs + 1)[None, :], onsets[:, None]
    return np.asarray(np.clip((at - epoch) / np.maximum(at - 1, 1e-9), 0, None) ** power)


def rise_shape(onsets: NDArray[np.float64], epochs: int, *, power: float = RISE_POWER) -> Series:
    """From 0 at the onset up to 1 at the last epoch; `(fits,)` to `(fits, epochs)`."""
    epoch, at = np.arange(1, epochs + 1)[None, :], onsets[:, None]
    return np.asarray(np.clip((epoch - at) / (epochs - at), 0, None) ** power)


@cache
def _population() -> NDArray[np.float64]:
    """Standard normal scores that stand for all repeats: balanced, so that their means and medians are 0."""
    half = np.random.default_rng(1).normal(size=(_PARAMETERS, 2000))
    return np.concatenate([half, -half], axis=1)


@cache
def _mean_lowest(rung: KnownRung) -> float:
    rng, scores = np.random.default_rng(2), _population()
    noisy = rung.trends(scores) + np.array([rung.noise.draw(rng, rung.epochs) for _ in range(scores.shape[1])])
    return float(noisy.min(axis=1).mean())


@cache
def _solve_rise(rung: KnownRung) -> float:
    """Mean rise of single fits at which the mean log curve rises by `rung.rise`, to which their minima don't add up."""
    if rung.rise == 0:
        return 0.0
    _, depth, onset, _ = _population()
    onsets = rung.onsets(onset) if rung.learns else np.ones_like(onset)
    depths = rung.depth * np.exp(rung.spread.depth * depth) * rung.learns
    descent = (descent_shape(onsets, rung.epochs) * depths[:, None]).mean(axis=0)
    shape = rise_shape(onsets, rung.epochs).mean(axis=0)
    low, high = 0.0, 4 * rung.rise + 1
    for _ in range(60):
        middle = (low + high) / 2
        curve = descent + middle * shape
        low, high = (middle, high) if curve[-1] - curve.min() < rung.rise else (low, middle)
    return low
