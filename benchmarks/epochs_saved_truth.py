"""Whole curves, and the same cut where they are settled: statuses, best losses, margins, frontier."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from known_families import draw_known
from record_fit import fit_records

from rfcx_lab.verdict import Curves, OnsetConfig, RungInfo, find_onset
from rfcx_lab.verdict.config import JudgeConfig, SettledConfig
from rfcx_lab.verdict.crossfit import rises_to_the_end
from rfcx_lab.verdict.frontier import FrontierConfig, estimate_frontier
from rfcx_lab.verdict.level_set import Grid, Observation
from rfcx_lab.verdict.record import LadderRecord
from rfcx_lab.verdict.rungs import CAPACITY, judge_rung
from rfcx_lab.verdict.settled import SettledRule, settled_epoch

MARGIN = JudgeConfig().margin
# Places of the prescribed ladder's capacity rungs on a plane of depth and width.
_PLANE = {
    "LSTM 8": (0, 0), "LSTM 32": (0, 1), "LSTM 128": (0, 2), "+ Dense 128": (1, 2), "+ Dense 64": (2, 2),
    "+ Dense 48": (3, 2),
}  # fmt: skip
_DEPTHS, _WIDTHS = 4, 3
_NORMAL = 1.96


@dataclass(frozen=True)
class Cut:
    """One fit, whole and ended where it was settled."""

    rung: str
    repeat: int
    budget: int
    epochs: int  # after which it ended
    status: str
    cut_status: str
    best_ratio: float  # lowest loss of the cut curve over that of the whole one
    onset_shift: int | None  # epochs; None where not both are overfit, or it did not end early

    @property
    def ended(self) -> bool:
        """Whether it ended before its budget."""
        return self.epochs < self.budget

    @property
    def agrees(self) -> bool:
        """Whether both have one status."""
        return self.status == self.cut_status

    @property
    def best_kept(self) -> bool:
        """Whether both have the very same lowest loss."""
        return self.best_ratio == 1.0


@dataclass(frozen=True)
class Margins:
    """A rung's overfit margins by repeat, as a sweep is told them."""

    name: str
    whole: tuple[float, ...]
    cut: tuple[float, ...]


@dataclass(frozen=True)
class Sides:
    """Which cells lie beyond the frontier, by the mean of the posterior."""

    sides: tuple[bool, ...]
    status: str


@dataclass(frozen=True)
class CutLadder:
    """A ladder's fits, and what a sweep over the same architectures would be told."""

    epochs: int
    cuts: tuple[Cut, ...]
    margins: tuple[Margins, ...]
    frontier: tuple[Sides, Sides, str] | None  # whole, ended early, and how sure; None without the prescribed rungs


def wilson(hits: int, total: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    square = _NORMAL**2 / total
    centre = (hits / total + square / 2) / (1 + square)
    half = _NORMAL / (1 + square) * math.sqrt(hits / total * (1 - hits / total) / total + square / 4 / total)
    return max(centre - half, 0.0), min(centre + half, 1.0)


def end_early(curves: Curves, rule: SettledConfig) -> Curves:
    """The curves as a fit leaves them that ends once it is settled."""
    every = SettledRule(margin=MARGIN, config=rule, onset=OnsetConfig())
    epoch = settled_epoch(curves.train_loss, curves.val_loss, rule=every, chance=curves.chance_loss)
    if epoch is None or curves.failure is not None:
        return curves
    return replace(
        curves,
        train_loss=curves.train_loss[:epoch],
        val_loss=curves.val_loss[:epoch],
        train_accuracy=None,
        val_accuracy=None,
        settled=True,
    )


def compare(whole: Curves, cut: Curves, *, rung: str) -> Cut:
    """One fit's both verdicts."""
    one, other = (find_onset(c.train_loss, c.val_loss, chance=c.chance_loss) for c in (whole, cut))
    shift = None
    if cut.settled and one.onset_epoch is not None and other.onset_epoch is not None:
        shift = other.onset_epoch - one.onset_epoch
    return Cut(
        rung=rung,
        repeat=whole.repeat,
        budget=whole.epochs,
        epochs=cut.epochs,
        status=one.status,
        cut_status=other.status,
        best_ratio=min(cut.val_loss) / min(whole.val_loss),
        onset_shift=shift,
    )


def margins_of(curves: Sequence[Curves], *, epochs: int) -> tuple[float, ...]:
    """The overfit margins that `lab.outcome.judge_architecture` tells of fits."""
    judged = judge_rung(curves, RungInfo("", CAPACITY, 1), index=0, epochs=epochs, config=JudgeConfig())
    rises = rises_to_the_end([fit.level for fit in judged.fits.values()])
    return tuple(rise - math.log1p(MARGIN) for rise in rises)


def cut_ladder(record: LadderRecord, rule: SettledConfig) -> CutLadder:
    """Cut every fit of a recorded ladder."""
    finished = {name: [c for c in fits if c.failure is None] for name, fits in record.curves.items()}
    epochs = max(curves.epochs for fits in finished.values() for curves in fits)
    ended = {name: [end_early(curves, rule) for curves in fits] for name, fits in finished.items()}
    margins = {
        name: Margins(name, margins_of(finished[name], epochs=epochs), margins_of(ended[name], epochs=epochs))
        for name in finished
    }
    return CutLadder(
        epochs=epochs,
        cuts=tuple(
            compare(whole, cut, rung=name)
            for name in finished
            for whole, cut in zip(finished[name], ended[name], strict=True)
        ),
        margins=tuple(margins.values()),
        frontier=_compare_frontiers(margins, record.validation_fraction) if set(_PLANE) <= set(margins) else None,
    )


def _compare_frontiers(margins: Mapping[str, Margins], fraction: float) -> tuple[Sides, Sides, str]:
    grid = Grid.regular(_DEPTHS, _WIDTHS)
    made, doubts = [], []
    for kind in ("whole", "cut"):
        told = [
            Observation(depth * _WIDTHS + width, getattr(margins[name], kind))
            for name, (depth, width) in _PLANE.items()
        ]
        frontier = estimate_frontier(grid, told, config=FrontierConfig(overlap=fraction / (1 - fraction)))
        made.append(Sides(tuple(bool(side) for side in frontier.posterior.mean > 0), frontier.status))
        doubts.append(len(frontier.unsure))
    return made[0], made[1], f"in doubt: {doubts[0]} and {doubts[1]}"


def cut_families(rule: SettledConfig, *, per_family: int, epochs: int, seed: int) -> list[Cut]:
    """Cut simulated curves of every kind; their family stands in the place of the rung."""
    made = []
    for index, known in enumerate(draw_known(per_family, fit_records(correlation=0.25), epochs=epochs, seed=seed)):
        whole = Curves(tuple(known.train), tuple(known.val), None, None, repeat=index)
        made.append(compare(whole, end_early(whole, rule), rung=known.family))
    return made
