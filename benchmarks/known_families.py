"""Single curves with known onset epoch, at the noise of the ladders on record: the kinds of turns, and what is none.

Beside `onset_families`, whose labels say only whether a curve overfits: here the truth is the last minimiser of the
curve *without* its noise and spikes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from known_truth import CHANCE, DESCENT_POWER, RISE_POWER, Noise, descent_shape, draw_training, rise_shape
from onset_curves import Series
from onset_families import draw_spikes
from record_fit import RecordedRung

_LEAST_RISE = 0.1  # log; rungs on record that rise by less are no model of a turn


@dataclass(frozen=True)
class KnownCurve:
    """One fit's curves, the validation loss without noise, and what is true of it."""

    family: str
    train: Series
    val: Series
    clean: Series
    onset: int | None  # 1-based; None where it does not overfit


@dataclass(frozen=True)
class _Draw:
    """What every family starts from."""

    rng: np.random.Generator
    epochs: int
    depth: float
    rise: float
    recorded: RecordedRung

    def at(self, low: float, high: float) -> int:
        """An epoch between two shares of the budget, 4 at least."""
        return max(round(self.epochs * self.rng.uniform(low, high)), 4)

    def descend(self, at: int) -> Series:
        """Falls by `depth` until epoch `at`."""
        shape = descent_shape(np.array([float(at)]), self.epochs, power=self.rng.uniform(1.5, 4))[0]
        return np.asarray(self.depth * shape)

    def climb(self, at: int) -> Series:
        """Rises by `rise` from epoch `at` on."""
        return np.asarray(self.rise * rise_shape(np.array([float(at)]), self.epochs, power=self.rng.uniform(0.5, 1))[0])


Clean = tuple[Series, int | None]  # log validation loss over its level, onset


def _as_on_record(given: _Draw) -> Clean:
    """The onset of the rung on record, varied as there; a longer budget only goes on with the same rise."""
    recorded, epochs = given.recorded, given.epochs
    onset = recorded.onset * np.exp(recorded.spread.onset * given.rng.normal())
    at = int(np.clip(round(onset), 3, 0.7 * min(epochs, recorded.epochs)))
    on = np.array([float(at)])
    longer = ((epochs - at) / (recorded.epochs - at)) ** RISE_POWER
    descent = given.depth * descent_shape(on, epochs, power=DESCENT_POWER)[0]
    return descent + given.rise * longer * rise_shape(on, epochs, power=RISE_POWER)[0], at


def _turning(low: float, high: float) -> Callable[[_Draw], Clean]:
    def draw(given: _Draw) -> Clean:
        at = given.at(low, high)
        return given.descend(at) + given.climb(at), at

    return draw


def _after_a_rest(given: _Draw) -> Clean:
    at = given.at(0.25, 0.5)
    return given.descend(max(at // 2, 3)) + given.climb(at), at


def _drop(given: _Draw, *, turn: bool) -> Clean:
    """The learning rate drops: both losses fall within three epochs, and the turn, if there is one, comes after."""
    at = given.at(0.4, 0.6)
    step = np.clip((at - np.arange(1, given.epochs + 1)) / 3, 0, 1) * given.rng.uniform(0.1, 0.2)
    val = given.descend(max(at - 4, 3)) + step
    return (val + given.climb(at), at) if turn else (val, None)


def _plateau(given: _Draw) -> Clean:
    return given.descend(given.at(0.1, 0.5)), None


def _improving(given: _Draw) -> Clean:
    return given.descend(2 * given.epochs), None


def _double_descent(given: _Draw) -> Clean:
    """Epoch-wise double descent (Nakkiran et al. 2020): up again, then below the first minimum."""
    at = given.at(0.1, 0.25)
    epoch = np.arange(1, given.epochs + 1) / given.epochs
    bump = given.rise / 2 * np.exp(-(((epoch - 0.4) / 0.12) ** 2))
    fall = given.rng.uniform(0.3, 0.6) * given.depth * np.clip((epoch - 0.4) / 0.6, 0, 1)
    return given.descend(at) + bump - fall, None


def _never_learning(given: _Draw) -> Clean:
    return np.zeros(given.epochs), None


FAMILIES: dict[str, Callable[[_Draw], Clean]] = {
    "as on record": _as_on_record,
    "turning": _turning(0.1, 0.5),
    "turning at once": _turning(0.0, 0.1),
    "turning late": _turning(0.5, 0.7),
    "turning after a rest": _after_a_rest,
    "turning, spiky": _turning(0.1, 0.5),
    "turning after a drop": lambda given: _drop(given, turn=True),
    "plateau": _plateau,
    "plateau, spiky": _plateau,
    "plateau after a drop": lambda given: _drop(given, turn=False),
    "improving": _improving,
    "double descent": _double_descent,
    "never learning": _never_learning,
}


def draw_known(
    per_family: int, recorded: Sequence[RecordedRung], *, epochs: int, seed: int, noisy: bool = True
) -> Iterator[KnownCurve]:
    """Draw curves of every family: depth, rise and noise are those of a rung on record that overfits, varied.

    More curves change none of those before.
    """
    models = [rung for rung in recorded if rung.rise >= _LEAST_RISE]
    for family, build in FAMILIES.items():
        for index in range(per_family):
            rng = np.random.default_rng([seed, epochs, index, zlib.crc32(family.encode())])
            rung = models[int(rng.integers(len(models)))]
            scale = np.exp(rng.normal(size=2) * [rung.spread.depth, 0.25])
            rise = max(rung.rise * scale[1], _LEAST_RISE)
            trend, onset = build(_Draw(rng, epochs, rung.depth * scale[0], rise, rung))
            yield _add_noise(rng, trend, onset, family=family, noise=rung.noise if noisy else Noise(0.0, 0.0))


def _add_noise(rng: np.random.Generator, trend: Series, onset: int | None, *, family: str, noise: Noise) -> KnownCurve:
    epochs = len(trend)
    clean = np.exp(CHANCE - (trend[0] - trend.min()) + trend - trend.min())
    val = clean * np.exp(noise.draw(rng, epochs))
    train = draw_training(rng, epochs=epochs, noise=noise)
    if "drop" in family:  # the same step, so that both losses take part in it
        at = onset or int(np.argmin(np.round(trend, 12))) + 1
        train = train * np.exp(np.clip((at - np.arange(1, epochs + 1)) / 3, 0, 1) * 0.1)
    if "spiky" in family:
        val = val + draw_spikes(rng, train, clean)
    return KnownCurve(family, train, val, clean, onset)
