"""One simulated ladder or rung, judged: what `calibration` counts."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from unittest.mock import patch

import numpy as np
from calibration_cases import MARGIN, Case
from known_families import KnownCurve
from known_truth import NADEAU_BENGIO, KnownDraw

from rfcx_lab.verdict import JudgeConfig, LadderVerdict, OnsetConfig, Verdict, find_onset, judge_ladder, rungs
from rfcx_lab.verdict.intervals import OpenInterval
from rfcx_lab.verdict.looks import Look, is_settled, plan_looks
from rfcx_lab.verdict.onset import Values

REPEATS = (4, 6, 8, 12)
LOOKS = plan_looks(4, 12)
FULL = 0.05


@dataclass(frozen=True)
class Claim:
    """What was said of a ladder, and what is true of it."""

    bound: str
    index: int | None
    established: bool
    truth: int | None
    repeats: int  # judged
    false_at_best: bool = False  # whether one of the claims of the other question, the best checkpoint, is false

    @property
    def exact(self) -> bool:
        """Whether one rung was named and established."""
        return self.established and self.bound == "exact"

    @property
    def right(self) -> bool:
        """Whether the truth was established in full."""
        if self.truth is None:
            return self.established and self.bound == "above"
        bound = "at_or_below" if self.truth == 0 else "exact"
        return self.established and self.bound == bound and self.index == self.truth

    @property
    def wrong(self) -> bool:
        """Whether something was established that is not true."""
        return self.established and not self.right

    @property
    def named_wrongly(self) -> bool:
        """Whether one rung was established, and it is another."""
        return self.exact and self.index != self.truth

    @property
    def bounds_wrongly(self) -> bool:
        """Whether the bound is false, established or not: it begins higher up than "at or below" says, or nowhere."""
        below = self.bound in ("exact", "at_or_below") and (self.truth is None or self.truth > (self.index or 0))
        return below or self.wrong


@dataclass(frozen=True)
class CurveTrial:
    """True onset epoch of one simulated curve and what `find_onset` said; None: there is none."""

    family: str
    truth: int | None
    said: int | None

    @property
    def error(self) -> int:
        """Epochs by which the onset was put too late; 0 where either is missing."""
        return self.said - self.truth if self.said is not None and self.truth is not None else 0


def try_curve(curve: KnownCurve) -> CurveTrial:
    """Judge one curve."""
    return CurveTrial(curve.family, curve.onset, find_onset(curve.train, curve.val).onset_epoch)


@dataclass(frozen=True)
class LadderTrial:
    """One simulated ladder, judged in several ways."""

    fixed: dict[int, Claim]  # at the full level, by number of repeats
    looked: Claim | None  # with planned looks, at the one a ladder stops at (`is_settled`), or the last
    peeked: Claim | None  # the same looks, each at the full level: what they are planned for


def generator(case: Case, *, seed: int, index: int) -> np.random.Generator:
    """Random numbers of one simulation's own: more of them change none of those before."""
    return np.random.default_rng([seed, index, zlib.crc32(case.name.encode())])


def judge(case: Case, drawn: KnownDraw, *, repeats: int, alpha: float = FULL) -> LadderVerdict:
    """Judge the first repeats of a drawn ladder."""
    return judge_ladder(
        {name: fits[:repeats] for name, fits in drawn.curves.items()},
        order=case.ladder.order,
        validation_fraction=NADEAU_BENGIO,
        config=JudgeConfig(margin=MARGIN, alpha=alpha),
    )


def try_ladder(
    case: Case, *, seed: int, index: int, repeats: Sequence[int] = REPEATS, looks: Sequence[Look] = LOOKS
) -> LadderTrial:
    """Draw one ladder and judge it at fixed numbers of repeats and with looks."""
    most = max([*repeats, *(look.repeats for look in looks)])
    drawn = case.ladder.draw(generator(case, seed=seed, index=index), most)

    def look_at(count: int, alpha: float = FULL) -> LadderVerdict:
        return judge(case, drawn, repeats=count, alpha=alpha)

    def claim(verdict: LadderVerdict, count: int) -> Claim:
        point = verdict.begins_to_overfit.trained_to_the_end
        at_best = case.is_false_at_best([rung.state_at_best for rung in verdict.rungs])
        return Claim(point.bound, point.index, point.established, case.truth, count, at_best)

    with _each_onset_once():
        fixed = {count: claim(look_at(count), count) for count in repeats}
        looked = None
        for look in looks:
            verdict = look_at(look.repeats, look.alpha)
            looked = claim(verdict, look.repeats)
            if is_settled(verdict, first=look == looks[0]):
                break
        peeked = _first_established(
            [fixed.get(look.repeats) or claim(look_at(look.repeats), look.repeats) for look in looks]
        )
    return LadderTrial(fixed, looked, peeked)


@contextmanager
def _each_onset_once() -> Iterator[None]:
    """Judge a curve once, in however many ways its ladder is judged: most of the time goes there."""
    known: dict[tuple[Values, Values], Verdict] = {}

    def judge_once(
        train_loss: Values, val_loss: Values, config: OnsetConfig | None = None, *, chance: float | None = None
    ) -> Verdict:
        assert chance is None  # of a simulated ladder it isn't told
        if (train_loss, val_loss) not in known:
            known[train_loss, val_loss] = find_onset(train_loss, val_loss, config)
        return known[train_loss, val_loss]

    with patch.object(rungs, "find_onset", judge_once):
        yield


def _first_established(claims: Sequence[Claim]) -> Claim | None:
    return next((claim for claim in claims if claim.established), claims[-1] if claims else None)


@dataclass(frozen=True)
class Bracket:
    """An interval and the two truths it can be held against: of all data sets, and of the data drawn."""

    point: float
    low: float
    high: float
    population: float
    given_shared: float

    @property
    def open(self) -> bool:
        """Whether an end is not known."""
        return not (math.isfinite(self.low) and math.isfinite(self.high))

    def covers(self, truth: float) -> bool:
        """Whether the truth lies in it."""
        return self.low <= truth <= self.high


@dataclass(frozen=True)
class RungTrial:
    """Intervals of one simulated rung; None where there was none at all."""

    onset: Bracket | None  # of the median epoch
    rise: Bracket | None  # of the last loss over the lowest, a share of that


def try_rung(case: Case, *, seed: int, index: int, repeats: int) -> RungTrial:
    """Draw a ladder of one rung and take that rung's intervals."""
    drawn = case.ladder.draw(generator(case, seed=seed, index=index), repeats)
    (rung,), (summary,) = case.ladder.rungs, judge(case, drawn, repeats=repeats).rungs
    known = rung.given_shared(drawn.shared[0], correlation=case.ladder.correlation)
    # An onset is a whole epoch: the truth is rounded as the curve's last minimiser is.
    onset = _bracket(summary.onset_epoch, population=round(rung.onset), given_shared=round(known.onset))
    rise = _bracket(summary.rise, population=math.expm1(rung.rise), given_shared=math.expm1(known.rise))
    return RungTrial(onset, rise)


def _bracket(interval: OpenInterval | None, *, population: float, given_shared: float) -> Bracket | None:
    if interval is None:
        return None
    low, high = (end if end is not None else side * math.inf for end, side in zip(interval[1:], (-1, 1), strict=True))
    return Bracket(interval[0], low, high, population, given_shared)
