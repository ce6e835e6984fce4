"""Rungs below the lowest one: added while that one overfits, until one does not or nothing smaller is left.

What a ladder's level is still worth when it has been extended after looking, for the question of the end (`locate` in
`verdict.turning` has its two sequences of tests, each at half of a look's alpha, here a):

- "It overfits" is tested from the top down and stops at the first rung that is not shown to. Which rungs could follow
  is fixed before any fit, by `rung_below`; the data decide only how far the sequence goes, as they always do in a fixed
  sequence (Maurer et al. 1995). An added rung is the next one in it: it costs nothing, and a false "it overfits"
  stays within a.
- "It does not overfit" is tested from the bottom up, and its first rung is another one after each addition: a second
  chance to go wrong, since a fixed sequence would have to begin at the smallest rung there could ever be. But a rung is
  added only once the lowest one was itself shown to overfit, by the same interval that could have shown that it does
  not, and both can't be likely of one rung. Let its test say "does not" with chance N and "does" with chance Y where in
  truth it overfits: at the border N = Y = a at most, and the further beyond, the smaller N. If q is the chance of a
  false "does not" from the next rung on, that from this one on is N + Y q, which is a (1 + q) at the border and q far
  beyond it. So, however many rungs are added, it is at most a + a^2 + a^3 + ... = a / (1 - a): .0256 instead of .0250
  for an alpha of .05, and .00503 instead of .00500 for a first look at .010. This takes that "this one overfits" and
  "the next one does not" come together no more often than if they were independent; repeats are paired, so what raises
  a loss on one rung tends to raise it on the next, and they come together less often.

A rung stays once it was added, at later looks too. These share their alpha by Bonferroni's inequality, which asks
nothing of how a later look's ladder came about. The question of the best checkpoint is judged on the ladder as it
stands in the end. Its own statistic has no say in what is added, but it isn't independent of what has: its level is
that of each ladder, not of the choice among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from omegaconf import MISSING

from rfcx_lab.config import RungConfig, signature
from rfcx_lab.verdict import LadderVerdict
from rfcx_lab.verdict.rungs import CAPACITY
from rfcx_lab.verdict.turning import AT_OR_BELOW


def overfits_throughout(verdict: LadderVerdict) -> bool:
    """Whether even the lowest rung was shown to overfit, trained to the end."""
    point = verdict.begins_to_overfit.trained_to_the_end
    return point.bound == AT_OR_BELOW and point.established


def rung_below(climbed: Sequence[RungConfig], *, known: Sequence[RungConfig]) -> RungConfig | None:
    """The rung to add below those that are climbed (bottom to top), or None where there is nothing smaller.

    The lowest capacity rung loses its top dense layer; where it has none, its top LSTM layer; where that is its only
    one, half of its width (rounded down), as long as that leaves 1. What is being climbed already is passed over. A
    `known` rung of the same architecture, such as one that `ladder.only` leaves out, lends its name, and the fits are
    its own; any other is named after its layers, apart from all names that are taken.
    """
    there = [_architecture(rung) for rung in climbed]
    below = _smaller(next(rung for rung in climbed if rung.role == CAPACITY))
    while below is not None and _architecture(below) in there:
        below = _smaller(below)
    if below is None:
        return None
    for rung in known:
        if rung.role == CAPACITY and _architecture(rung) == _architecture(below):
            return rung
    return replace(below, name=_free_name(below, taken={rung.name for rung in (*climbed, *known)}))


def _smaller(rung: RungConfig) -> RungConfig | None:
    if rung.dense:
        return replace(rung, dense=rung.dense[:-1], dense_dropout=rung.dense_dropout[:-1])
    if len(rung.lstm) > 1:
        return replace(rung, lstm=rung.lstm[:-1])
    if rung.lstm[0] > 1:
        return replace(rung, lstm=[rung.lstm[0] // 2])
    return None


def _architecture(rung: RungConfig) -> dict[str, object]:
    return signature(replace(rung, name=MISSING, role=CAPACITY))


def _free_name(rung: RungConfig, *, taken: set[str]) -> str:
    parts = [f"{rung.cell.upper()} {rung.lstm[0]}", *map(str, rung.lstm[1:])]
    parts += [f"Dense {width}" for width in rung.dense]
    name = " + ".join(parts)
    names = (name if n == 0 else f"{name} (added{f' {n}' if n > 1 else ''})" for n in count())
    return next(each for each in names if each not in taken)
