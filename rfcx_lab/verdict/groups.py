"""The verdicts on logged fits, and what those of one model come to."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from rfcx_lab.errors import LabError
from rfcx_lab.verdict.columns import guess_mode
from rfcx_lab.verdict.config import OnsetConfig
from rfcx_lab.verdict.epochs import LoggedFit
from rfcx_lab.verdict.intervals import Interval, OpenInterval, median_interval, share_interval
from rfcx_lab.verdict.onset import NOT_LEARNING, OVERFIT, STATUSES, STILL_IMPROVING, UNDETERMINED, Verdict, find_onset

IS_OVERFIT = 3
CANT_SAY = 4
_CONFIDENCE = 0.95
_UNTOLD = {UNDETERMINED, NOT_LEARNING}


@dataclass(frozen=True)
class JudgedLog:
    """A logged fit with its verdict, whose epochs are those of the log, counted from 1."""

    fit: LoggedFit
    verdict: Verdict
    mode: str


@dataclass(frozen=True)
class GroupVerdict:
    """What the fits of one model come to. Intervals are `(point, low, high)`, at 95 %."""

    name: str
    fits: int
    statuses: dict[str, int]
    overfit_share: Interval | None  # of the fits that are not undetermined
    onset_epoch: OpenInterval | None  # None where fewer than half overfit; an end None where unknown
    best_epoch: OpenInterval | None  # beyond the last one for a fit that was still improving


def judge_fit(
    fit: LoggedFit,
    config: OnsetConfig,
    *,
    mode: str | None = None,
    chance: float | None = None,
    classes: int | None = None,
) -> JudgedLog:
    """Judge a fit by `find_onset`; without a `mode`, by that which the validation column's name suggests.

    `chance` as there; `classes` gives it for a log loss, of as many equally frequent ones.

    Raises:
        LabError: `classes` are given for what should rise.
    """
    mode = mode or guess_mode(fit.val_name)
    if classes is not None:
        if mode == "max":
            raise LabError(
                f"{fit.source}: --classes gives the chance of a log loss, and {fit.val_name} should rise; say with "
                "--chance what a constant guess comes to."
            )
        chance = math.log(classes)
    verdict = find_onset(fit.train, fit.val, replace(config, mode=mode), chance=chance)
    return JudgedLog(fit, _in_log_epochs(verdict, fit.epochs), mode)


def judge_group(name: str, logs: Sequence[JudgedLog]) -> GroupVerdict:
    """Summarise the fits of one model, each of which counts once.

    Raises:
        LabError: there is none, or some are judged by a minimum and others by a maximum.
    """
    if not logs:
        raise LabError(f"Group {name} has no fits.")
    modes = {log.mode: f"{log.fit.val_name} in {log.fit.source}" for log in logs}
    if len(modes) > 1:
        raise LabError(
            f"Group {name} mixes what should fall, {modes['min']}, with what should rise, {modes['max']}: name the "
            "columns with --train and --val."
        )
    counted = Counter(log.verdict.status for log in logs)
    decided = [log.verdict for log in logs if log.verdict.status != UNDETERMINED]
    best = [_best_epoch(log.verdict) for log in logs if log.verdict.best_epoch is not None]
    onsets = [math.inf if verdict.onset_epoch is None else verdict.onset_epoch for verdict in decided]
    return GroupVerdict(
        name=name,
        fits=len(logs),
        statuses={status: counted[status] for status in STATUSES if counted[status]},
        overfit_share=share_interval(counted[OVERFIT], total=len(decided), confidence=_CONFIDENCE),
        onset_epoch=median_interval(onsets, confidence=_CONFIDENCE),
        best_epoch=median_interval(best, confidence=_CONFIDENCE),
    )


def _best_epoch(verdict: Verdict) -> float:
    return math.inf if verdict.status == STILL_IMPROVING or verdict.best_epoch is None else verdict.best_epoch


def exit_status(logs: Iterable[JudgedLog]) -> int:
    """Status of the command: 3 where any fit overfits, else 4 where any can't be told, else 0."""
    statuses = {log.verdict.status for log in logs}
    if OVERFIT in statuses:
        return IS_OVERFIT
    return CANT_SAY if statuses & _UNTOLD else 0


def describe(groups: Sequence[tuple[GroupVerdict, Sequence[JudgedLog]]]) -> dict[str, Any]:
    """Dicts, lists and scalars that strict JSON can hold: every fit with its verdict, and every group."""
    fits = [
        {
            "source": log.fit.source,
            "group": group.name,
            "train": log.fit.train_name,
            "val": log.fit.val_name,
            "mode": log.mode,
            "epochs": len(log.fit.epochs),
            **asdict(log.verdict),
            "notes": list(log.fit.notes),
        }
        for group, logs in groups
        for log in logs
    ]
    for fit in fits:
        for key in ("rise", "gap"):
            fit[key] = fit[key] if fit[key] is not None and math.isfinite(fit[key]) else None
    every = [log for _, logs in groups for log in logs]
    return {
        "answer": conclude(every),
        "fits": fits,
        "groups": [asdict(group) for group, _ in groups],
        "exit_status": exit_status(every),
    }


def conclude(logs: Sequence[JudgedLog]) -> str:
    """The verdicts in one sentence."""
    overfit = sum(log.verdict.status == OVERFIT for log in logs)
    untold = sum(log.verdict.status in _UNTOLD for log in logs)
    if len(logs) > 1:
        rest = f"; of {untold} it can't be said" if untold else ""
        return f"{overfit} of {len(logs)} fits overfit{rest}."
    source, last = logs[0].fit.source, logs[0].fit.epochs[-1]
    if overfit:
        return f"{source} overfits, from about epoch {logs[0].verdict.onset_epoch} on."
    if untold:
        return f"Whether {source} overfits can't be said: {logs[0].verdict.status.replace('_', ' ')}."
    if logs[0].verdict.status == STILL_IMPROVING:
        return f"{source} has not overfit by epoch {last}: it was still improving."
    return f"{source} does not overfit in {last} epochs."


def _in_log_epochs(verdict: Verdict, epochs: Sequence[int]) -> Verdict:
    """The verdict with the n-th measurement called by its epoch, where some have none."""
    if tuple(epochs) == tuple(range(1, len(epochs) + 1)):
        return verdict

    def number(nth: int | None) -> int | None:
        return None if nth is None else epochs[nth - 1]

    return replace(
        verdict,
        onset_epoch=number(verdict.onset_epoch),
        best_epoch=number(verdict.best_epoch),
        first_alarm=number(verdict.first_alarm),
        confirmed_epoch=number(verdict.confirmed_epoch),
        reason=re.sub(r"(?<=epoch )\d+|(?<=epoch, )\d+", lambda found: str(number(int(found[0]))), verdict.reason),
    )
