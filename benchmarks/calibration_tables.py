"""How simulated verdicts are counted, and the rows of their tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from calibration_cases import Case
from calibration_trials import LOOKS, REPEATS, Bracket, Claim, CurveTrial, LadderTrial
from known_truth import NADEAU_BENGIO
from onset_scores import wilson, wilson_interval
from record_fit import RecordedRung

MOST_WRONG = 0.05
LEAST_COVERAGE = 0.93
LARGEST_ERROR = 2.0
HEADLINE = "as on record"
"""The family whose onset error has an aim: the others say what kinds of turns do to it."""

MET, OPEN, MISSED = "met", "open", "missed"


@dataclass(frozen=True)
class Row:
    """A line of a table; `aim` says whether its aim is met, empty where it has none."""

    name: str
    cells: Sequence[str]
    aim: str = ""


def print_rows(title: str, head: Sequence[str], rows: Sequence[Row]) -> None:
    """Print a Markdown table; the last column of `head` is the aim, where rows have one."""
    with_aim = len(head) > len(rows[0].cells)
    print(f"\n### {title}\n\n| | {' | '.join(head)} |\n|---|{'---:|' * len(head)}")
    for row in rows:
        cells = [*row.cells, row.aim or "–"] if with_aim else row.cells
        print(f"| {row.name} | {' | '.join(cells)} |", flush=True)


def judge_share(hits: int, total: int, *, most: float) -> str:
    """Whether a share that must not exceed `most` does: missed only where chance can't explain it."""
    if not total or hits / total <= most:
        return MET
    return MISSED if wilson_interval(hits, total)[0] > most else OPEN


def record_rows(recorded: Sequence[RecordedRung]) -> list[Row]:
    """Noise and spread of every rung on record."""
    rows = []
    for rung in recorded:
        spread = rung.spread
        spreads = f"{spread.level:.2f}, {spread.depth:.2f}, {spread.onset:.2f}, {spread.rise:.2f}"
        noise = [f"{rung.noise.phi:.2f}", f"{rung.noise.innovation:.4f}"]
        name = f"{rung.record}: {rung.name}"
        rows.append(Row(name, [*noise, f"{rung.onset:g}", f"{rung.depth:.2f}", f"{rung.rise:.2f}", spreads]))
    return rows


def onset_rows(trials: Sequence[CurveTrial]) -> list[Row]:
    """Per family, how far the onset is from the truth; of curves without one, how many were given one."""
    rows = []
    for family in dict.fromkeys(trial.family for trial in trials):
        own = [trial for trial in trials if trial.family == family]
        said = [trial for trial in own if trial.said is not None]
        if own[0].truth is None:
            rows.append(Row(family, [str(len(own)), "–", "–", "–", f"{len(own) - len(said)} (true: none)"]))
            continue
        errors = np.array([trial.error for trial in said], float) if said else np.array([math.nan])
        middle = float(np.median(np.abs(errors)))
        cells = [f"{middle:g}", f"{np.quantile(np.abs(errors), 0.9):g}", f"{np.median(errors):+g}"]
        aim = (MET if middle <= LARGEST_ERROR else MISSED) if family == HEADLINE else ""
        rows.append(Row(family, [str(len(own)), *cells, str(len(own) - len(said))], aim))
    return rows


def interval_row(name: str, brackets: Sequence[Bracket | None], *, aim: str | None) -> Row:
    """Coverage of both truths and mean width; where there is no interval nothing false was said, and it isn't counted.

    An open end counts as infinite. `aim` is the truth that must be covered, "population" or "given_shared".
    """
    given = [bracket for bracket in brackets if bracket is not None]
    held = {
        "population": sum(bracket.covers(bracket.population) for bracket in given),
        "given_shared": sum(bracket.covers(bracket.given_shared) for bracket in given),
    }
    widths = [bracket.high - bracket.low for bracket in given if not bracket.open]
    verdict = judge_share(len(given) - held[aim], len(given), most=1 - LEAST_COVERAGE) if aim else ""
    cells = [
        *(wilson(hits, len(given)) for hits in held.values()),
        f"{np.mean(widths):.3g}" if widths else "–",
        f"{np.median([b.point - b.given_shared for b in given]):+.2g}" if given else "–",
        str(sum(bracket.open for bracket in given)),
        str(len(brackets) - len(given)),
    ]
    return Row(name, cells, verdict)


def claim_rows(case: Case, trials: Sequence[LadderTrial]) -> list[Row]:
    """Rows of one case: 6 repeats, planned looks, unplanned ones."""
    ways = [[trial.fixed[6], trial.looked, trial.peeked] for trial in trials]
    return [_claim_row(case, [claim for claim in claims if claim is not None]) for claims in zip(*ways, strict=True)]


def _claim_row(case: Case, claims: Sequence[Claim]) -> Row:
    total, wrong = len(claims), sum(claim.wrong for claim in claims)
    named = sum(claim.exact for claim in claims)
    cells = [
        f"{sum(claim.right for claim in claims) / total:.3f}",
        wilson(wrong, total),
        f"{wilson(sum(claim.named_wrongly for claim in claims), named)} of {named}",
        wilson(sum(claim.bounds_wrongly for claim in claims), total),
        wilson(sum(claim.false_at_best for claim in claims), total),
        f"{np.mean([claim.repeats for claim in claims]):.1f}",
    ]
    binding = case.ladder.correlation <= NADEAU_BENGIO
    return Row(case.name, cells, judge_share(wrong, total, most=MOST_WRONG) if binding else "")


def power_row(name: str, trials: Sequence[LadderTrial]) -> Row:
    """Shares of ladders whose true rung is established, by number of repeats."""
    counts = [sum(trial.fixed[repeats].right for trial in trials) for repeats in REPEATS]
    return Row(name, [wilson(count, len(trials)) for count in counts])


def saving_row(name: str, trials: Sequence[LadderTrial]) -> Row:
    """What planned looks establish and save against always running the most repeats."""
    most = LOOKS[-1].repeats
    looked = [trial.looked for trial in trials if trial.looked is not None]
    mean = float(np.mean([claim.repeats for claim in looked]))
    cells = [
        wilson(sum(claim.right for claim in looked), len(trials)),
        wilson(sum(trial.fixed[most].right for trial in trials), len(trials)),
        wilson(sum(claim.named_wrongly for claim in looked), sum(claim.exact for claim in looked)),
        f"{mean:.1f}",
        f"{1 - mean / most:.0%}",
    ]
    return Row(name, cells)
