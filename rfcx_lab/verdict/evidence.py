"""What a pair of learning curves shows of a rise, epoch by epoch; judged in `onset`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from rfcx_lab.verdict.config import OnsetConfig
from rfcx_lab.verdict.smoothing import NoiseTrack, bend_noise, midmean

# Epochs that are averaged: few find a steep rise soon, many a slow one under noise.
_BLOCKS = (3, 5, 8, 12, 20, 32)
_MIDMEAN_ERROR = 1.1  # standard error of a midmean, in those of a mean of normal values
_FEWEST_PERSISTENT = 3
_FEWEST_EARLY = 9  # epochs: fewer tell little of the noise
_LITTLE_AFTER = 5  # epochs
# Once overfit, it stays so for as long as the rise stands above its noise by half of what found it, so that a single
# value at the edge does not take it back.
_RELEASE = 0.5
_NOT_RECEDING = 0.75  # share of its highest so far at which a rise must still stand to be found
_NOT_FALLING, _A_WHILE = 0.6, 12  # the same share for the newest values, of the highest in so many epochs
_FALLEN_BACK = 0.25  # share of a block's rise below which the newest values deny it
_ROUNDING = 1e-9  # share of the values' size below which a difference is none


@dataclass
class _Block:
    """Midmeans of so many epochs, of both curves, and where they were lowest."""

    length: int
    levels: list[float] = field(default_factory=list)  # validation, from epoch `length` on
    lowest: float = math.inf
    lowest_end: int = 0  # last epoch of the last lowest block that shares none with the newest; 0: there is none
    bottom: float = math.inf  # the lowest of all, the newest and those that share epochs with it included
    bottom_end: int = 0
    highest_rise: float = 0.0  # since then
    training_lowest: float = math.inf


@dataclass(frozen=True)
class _Rise:
    size: float
    error: float  # its standard error
    age: float  # epochs from the middle of the lowest block to the middle of the newest
    training: float  # how far training stands above its lowest
    receding: bool  # it stands below what it was
    fallen_back: bool  # the newest values deny it


class RiseTrack:
    """Follows two curves in which lower is better. All it holds after epoch n follows from the first n epochs."""

    def __init__(self, config: OnsetConfig, *, chance: float | None = None) -> None:
        """Start with no epochs; `chance` is the best that a constant guess comes to, None where that isn't known."""
        self._config = config
        self.chance = chance
        self._blocks = [_Block(length) for length in _BLOCKS]
        self._noise_track = NoiseTrack()
        self._noise: list[float] = []
        self._train: list[float] = []
        self._validation: list[float] = []
        self._top, self._bottom = -math.inf, math.inf
        self._found = self._unstable = 0  # epochs in a row
        self._around = (0, 0.0)
        self.overfit = False

    @property
    def height(self) -> float:
        """What both curves span, from top to bottom, spikes apart: the height of their plot."""
        return max(self._top - self._bottom, 0.0)

    @property
    def noise(self) -> float:
        """Standard deviation of the mean of many validation values, times their square root."""
        return self._noise[-1] if self._noise else 0.0

    @property
    def persistence(self) -> int:
        """Epochs in a row that a rise must last."""
        return min(self._config.persistence, max(_FEWEST_PERSISTENT, len(self._validation) // 10))

    @property
    def unstable(self) -> bool:
        """Whether validation has risen credibly for a while, and training with it."""
        return self._unstable >= self.persistence

    def update(self, train: float, validation: float) -> None:
        """Take in one epoch's finite values. The cost does not grow with the epochs."""
        self._train.append(train)
        self._validation.append(validation)
        self._noise.append(self._noise_track.update(validation))
        rises = [rise for block in self._blocks if (rise := self._measure(block)) is not None]
        credible = [rise for rise in rises if self._is_credible(rise)]
        share = self._config.training_share
        found = any(rise.training <= share * rise.size for rise in credible)
        self._found = self._found + 1 if found else 0
        # A bump of training that is over still stands in the longer blocks: no reason to find a rise or to speak of it.
        together = credible and not found and self._training_up() > share * min(rise.size for rise in credible)
        self._unstable = self._unstable + 1 if together else 0
        if len(self._validation) < self._config.min_epochs:
            return
        if self.overfit:
            self.overfit = any(self._persists(rise) for rise in rises) and self.has_learnt()
        elif self._found >= self.persistence:
            self.overfit = self.has_learnt()

    def has_learnt(self) -> bool:
        """Whether validation was ever credibly better than a constant guess.

        Where that isn't known the first epoch stands in for it. It hides what was learnt before it was measured, and of
        a loss that wanders about chance it may be the highest.
        """
        return self.has_improved() if self.chance is None else self.beats_chance()

    def has_improved(self) -> bool:
        """Whether validation was ever credibly better than at the first epoch."""
        if not self._blocks[0].levels:
            return False
        lowest, noise = self._lowest()
        least = self._config.min_improvement * self.height
        if self._validation[0] - lowest > max(least, self._config.learning_factor * noise):
            return True
        factor = self.noise_threshold()
        fallen = [block for block in self._blocks[1:] if block.lowest_end]  # means say more where single values scatter
        return any(block.levels[0] - block.lowest > max(least, factor * self._error(block)) for block in fallen)

    def beats_chance(self) -> bool:
        """Whether validation was ever credibly better than a constant guess; false where that isn't known.

        Chance has no noise of its own, and no plot: a share of its own level must be left behind, since a curve that is
        all noise has hardly any height.
        """
        if self.chance is None or not self._blocks[0].levels:
            return False
        lowest, noise = self._lowest()
        least = self._config.min_improvement * abs(self.chance)
        if self.chance - lowest > max(least, self._config.learning_factor * noise):
            return True
        factor = self.noise_threshold() * _MIDMEAN_ERROR
        return any(
            self.chance - b.bottom > max(least, factor * self._noise_at(b.bottom_end) / math.sqrt(b.length))
            for b in self._blocks[1:]
            if b.levels
        )

    def _lowest(self) -> tuple[float, float]:
        """The lowest of the shortest blocks, and the standard deviation of single values around the descent to it."""
        best = self._blocks[0]
        lowest = min(best.lowest, best.levels[-1])
        end = best.lowest_end if best.lowest <= lowest else len(self._validation)
        # A curve that overfits grows noisier: what it learnt before must not be doubted for that.
        around = min(max(end + _LITTLE_AFTER, _FEWEST_EARLY), len(self._validation))
        if self._around[0] != around:
            self._around = (around, bend_noise(self._validation[:around]))
        return lowest, self._around[1]

    def noise_threshold(self) -> float:
        """How many standard errors a rise must measure.

        The largest of n independent normal values stays below sqrt(2 ln n) of their standard deviations (Donoho and
        Johnstone 1994): the longer a curve, the higher its noise climbs somewhere.
        """
        return self._config.noise_factor * math.sqrt(2 * math.log(max(len(self._validation), 2)))

    def hidden_rise(self) -> float:
        """How large a rise the noise could hide from the longest blocks there are."""
        lengths = [block.length for block in self._blocks if block.lowest_end] or [_BLOCKS[0]]
        return self.noise_threshold() * _MIDMEAN_ERROR * self.noise * math.sqrt(2 / max(lengths))

    def _recedes(self, lowest: float) -> bool:
        """Whether validation stands lower than a while ago; longer blocks still climb after a jump that is over."""
        recent = [level - lowest for level in self._blocks[1].levels[-_A_WHILE:]]
        return bool(recent) and recent[-1] < _NOT_FALLING * max(recent)

    def _training_up(self) -> float:
        return midmean(self._train[-_BLOCKS[0] :]) - self._blocks[0].training_lowest

    def _measure(self, block: _Block) -> _Rise | None:
        """Compare the newest block with the lowest before it; None without such a one, or without a rise."""
        epochs, length = len(self._validation), block.length
        if epochs < length:
            return None
        newest, training = midmean(self._validation[-length:]), midmean(self._train[-length:])
        block.levels.append(newest)
        if newest <= block.bottom:
            block.bottom, block.bottom_end = newest, epochs
        block.training_lowest = min(block.training_lowest, training)
        if length == _BLOCKS[0]:
            self._top, self._bottom = max(self._top, newest, training), min(self._bottom, newest, training)
        end = epochs - length
        if end >= length and block.levels[end - length] <= block.lowest:
            block.lowest, block.lowest_end, block.highest_rise = block.levels[end - length], end, 0.0
        size = newest - block.lowest
        if size <= _ROUNDING * max(abs(self._top), abs(self._bottom)):
            return None  # also where there is no lowest yet
        block.highest_rise = max(block.highest_rise, size)
        recent = self._blocks[0].levels[-1] - block.lowest
        return _Rise(
            size=size,
            error=self._error(block),
            age=epochs - block.lowest_end + length / 2,
            training=training - block.training_lowest,
            receding=size < _NOT_RECEDING * block.highest_rise or self._recedes(block.lowest),
            fallen_back=recent < _FALLEN_BACK * size,
        )

    def _error(self, block: _Block) -> float:
        """Standard error of a difference of two blocks, from the noise around each."""
        then = self._noise_at(block.lowest_end)
        return _MIDMEAN_ERROR * math.hypot(then, self.noise) / math.sqrt(block.length)

    def _noise_at(self, end: int) -> float:
        """Noise around the block that ends there."""
        return self._noise[min(len(self._noise), end + 20) - 1]

    def _least(self, rise: _Rise) -> float:
        """The rise that, going on at its pace, comes to `min_rise` within `horizon` epochs."""
        pace = rise.age / (rise.age + self._config.horizon)
        return self._config.min_rise * self.height * pace

    def _is_credible(self, rise: _Rise) -> bool:
        if rise.receding or rise.fallen_back:
            return False
        least = max(self._least(rise), self._config.min_rise * self.height / 2)
        return rise.size > max(least + rise.error, self.noise_threshold() * rise.error)

    def _persists(self, rise: _Rise) -> bool:
        threshold = max(self._least(rise), _RELEASE * self.noise_threshold() * rise.error)
        with_training = rise.training > 2 * self._config.training_share * rise.size
        return rise.size > threshold and not rise.fallen_back and not with_training
