"""How many trials a search needs until it knows where models begin to overfit, next to other searches.

python benchmarks/frontier.py --seeds 40    surfaces of known frontier, 5 depths x 8 widths and 16 x 12
python benchmarks/frontier.py --grid FILE    a recorded grid: a CSV with depth, width, margin, one line per fit

Every search is judged through the same estimator, `estimate_frontier`, after every trial of three repeats. What the
columns mean stands in benchmarks/frontier.md. Costs some seconds of CPU per seed on the small
grid, half a minute on the large one.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import operator
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from frontier_searches import SEARCHES, run_search
from frontier_surfaces import FAMILIES, NONE, Surface, draw_surface, read_surface
from measure import check, describe_machine

from rfcx_lab.verdict.frontier import ALL_OVERFIT, NONE_OVERFITS, OPEN, FrontierConfig, estimate_frontier
from rfcx_lab.verdict.level_set import Grid

OWN = "frontier"
SMALL, LARGE = (5, 8), (16, 12)
_USUAL = FrontierConfig()


@dataclass(frozen=True)
class Outcome:
    """One search on one surface. Trials count from 1; one more than were made where it never came to that."""

    family: str
    seed: int
    search: str
    loose: int  # trials until only cells beside the frontier are wrong, for good
    inside: int  # the same, where a frontier that runs just outside the grid has no cell beside it
    strict: int  # trials until every cell is right whose margin exceeds an observation's standard deviation, for good
    told: int  # trials until it says, rightly and for good, that there is no frontier
    stopped: int | None  # trials after which it stops by itself
    right: tuple[bool, bool]  # loosely and strictly, when stopped


def lasting(right: Sequence[bool]) -> int:
    """The first trial, from 1, from which on it stays right; one more than there are where it does not."""
    wrong = [place for place, ok in enumerate(right, start=1) if not ok]
    return wrong[-1] + 1 if wrong else 1


def judge(surface: Surface, search: str, *, seed: int, trials: int, confidence: float = _USUAL.confidence) -> Outcome:
    """Run one search on a surface, and look at what is known after each trial, and surely so to `confidence`."""
    each_trial = FrontierConfig(persistence=1, confidence=confidence)
    rng = np.random.default_rng([seed, *map(ord, search)])
    noise = np.random.default_rng([seed, 1])
    observed = run_search(SEARCHES[search](surface.grid, rng), partial(surface.observe, rng=noise), trials=trials)
    loose, inside, strict, statuses = [], [], [], []
    for count in range(1, len(observed) + 1):
        known = estimate_frontier(surface.grid, observed[:count], config=each_trial)
        wrong = (known.posterior.mean > 0) != surface.overfit
        inside.append(not (wrong & ~surface.flanking).any())
        loose.append(not (wrong & ~surface.flanking & ~surface.by_the_edge).any())
        strict.append(not (wrong & surface.clear).any())
        statuses.append(known.status)
    truth = {True: ALL_OVERFIT, False: NONE_OVERFITS}[bool(surface.overfit.all())]
    stopped = _stop(statuses)
    at = (stopped or len(observed)) - 1
    return Outcome(
        family=surface.name,
        seed=seed,
        search=search,
        loose=lasting(loose),
        inside=lasting(inside),
        strict=lasting(strict),
        told=lasting([status == truth for status in statuses]),
        stopped=stopped,
        right=(loose[at], strict[at]) if surface.name != NONE else (statuses[at] == truth,) * 2,
    )


def _stop(statuses: Sequence[str]) -> int | None:
    for count in range(_USUAL.persistence, len(statuses) + 1):
        last = set(statuses[count - _USUAL.persistence : count])
        if len(last) == 1 and OPEN not in last:
            return count
    return None


def _judge_drawn(task: tuple[str, tuple[int, int], int, int], *, confidence: float) -> list[Outcome]:
    family, sizes, seed, trials = task
    rng = np.random.default_rng([seed, *sizes, *map(ord, family)])
    surface = draw_surface(family, Grid.regular(*sizes), rng=rng)
    return [judge(surface, search, seed=seed, trials=trials, confidence=confidence) for search in SEARCHES]


def _judge_recorded(surface: Surface, *, seed: int, confidence: float) -> list[Outcome]:
    trials = len(surface.margins)
    return [judge(surface, search, seed=seed, trials=trials, confidence=confidence) for search in SEARCHES]


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table."""
    print(f"\n### {title}\n\n| | {' | '.join(head)} |\n|---|{'---:|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def print_trials(title: str, outcomes: Sequence[Outcome], *, limit: int) -> None:
    """Print, per family and search, the median trials and the share of the seeds within `limit`."""
    families = list(dict.fromkeys(outcome.family for outcome in outcomes if outcome.family != NONE))
    for name, title_of in (("loose", "loose"), ("inside", "loose, edges not excused"), ("strict", "strict")):
        rows = []
        for search in SEARCHES:
            row = [search]
            for family in families:
                own = [getattr(o, name) for o in outcomes if o.search == search and o.family == family]
                row.append(f"{np.median(own):g} ({np.mean([trials <= limit for trials in own]):.2f})")
            rows.append(row)
        print_table(f"{title}, {title_of}: median trials (share within {limit})", families, rows)
    if any(outcome.family == NONE for outcome in outcomes):
        none = {search: [o.told for o in outcomes if o.search == search and o.family == NONE] for search in SEARCHES}
        rows = [
            [search, f"{np.median(told):g}", f"{np.mean([trials <= limit for trials in told]):.2f}"]
            for search, told in none.items()
        ]
        print_table(f"{title}, no frontier: said so", ["median trials", f"share within {limit}"], rows)


def print_stops(title: str, outcomes: Sequence[Outcome]) -> None:
    """Print when this project's search stops by itself, and how often it is right then."""
    rows = []
    for family in dict.fromkeys(outcome.family for outcome in outcomes):
        own = [o for o in outcomes if o.family == family and o.search == OWN]
        ended = [o for o in own if o.stopped is not None]
        trials = [o.stopped for o in ended if o.stopped is not None]
        right = [f"{np.mean([o.right[place] for o in ended]):.2f}" if ended else "" for place in (0, 1)]
        rows.append([family, f"{len(ended)} of {len(own)}", f"{np.median(trials):g}" if trials else "", *right])
    print_table(f"{title}: where {OWN} stops", ["stopped", "median trials", "then right: loose", "strict"], rows)


def won(outcomes: Sequence[Outcome], other: str) -> tuple[float, float, float]:
    """Shares of the paired surfaces on which this project's search needed fewer trials (strict), as many, and more."""
    trials = {(o.search, o.family, o.seed): o.strict for o in outcomes if o.family != NONE}
    pairs = [(own, trials[other, name, seed]) for (search, name, seed), own in trials.items() if search == OWN]
    shares = [np.mean([sign(a, b) for a, b in pairs]) for sign in (operator.lt, operator.eq, operator.gt)]
    return float(shares[0]), float(shares[1]), float(shares[2])


def print_pairs(title: str, outcomes: Sequence[Outcome]) -> None:
    """Print how often this project's search beats each other one on the same surface."""
    others = [search for search in SEARCHES if search != OWN]
    rows = []
    for other in others:
        fewer, same, more = won(outcomes, other)
        untied = fewer / (fewer + more) if fewer + more else float("nan")
        rows.append([other, *(f"{share:.2f}" for share in (fewer, same, more, untied))])
    print_table(f"{title}, strict: {OWN} against", ["fewer trials", "as many", "more", "fewer, of the untied"], rows)


def check_small(outcomes: Sequence[Outcome], *, limit: int = 13) -> bool:
    """Say whether what is aimed at on the small grid is reached."""
    met = []
    own = [o for o in outcomes if o.search == OWN]
    for family in FAMILIES:
        trials = [o.loose for o in own if o.family == family]
        met.append(check(f"{family}: median trials (loose)", [float(np.median(trials))], at_most=limit))
        met.append(check(f"{family}: share within {limit}", [_share(trials, limit)], at_least=0.85))
        inside = [o.inside for o in own if o.family == family]
        met.append(check(f"{family}: share within {limit}, edges not excused", [_share(inside, limit)], at_least=0.85))
    for other, share in (("random", 0.7), ("TPE", 0.7), ("bisection", 0.6)):
        met.append(check(f"won against {other}", [won(outcomes, other)[0]], at_least=share))
    none = [o.told for o in own if o.family == NONE]
    met.append(check(f"{NONE}: said within {limit}", [_share(none, limit)], at_least=0.9))
    return all(met)


def check_large(outcomes: Sequence[Outcome], *, limit: int) -> bool:
    """Say whether the large grid is known after a sixth of its cells."""
    met = []
    for family in FAMILIES:
        trials = [o.loose for o in outcomes if o.search == OWN and o.family == family]
        met.append(check(f"{family}: median trials (loose)", [float(np.median(trials))], at_most=limit))
    return all(met)


def _share(trials: Sequence[int], limit: int) -> float:
    return float(np.mean([count <= limit for count in trials]))


def compare(sizes: tuple[int, int], *, seeds: Sequence[int], jobs: int, confidence: float) -> bool:
    """Run every search on every family, print the tables; whether the aims are met."""
    cells = sizes[0] * sizes[1]
    small = sizes == SMALL
    limit, trials = (13, cells) if small else (cells // 6, cells // 3)
    tasks = [(family, sizes, seed, trials) for seed in seeds for family in (*FAMILIES, NONE)]
    with get_context("spawn").Pool(jobs) as pool:
        judged = pool.imap(partial(_judge_drawn, confidence=confidence), tasks, chunksize=1)
        outcomes = [outcome for some in judged for outcome in some]
    title = f"{sizes[0]} x {sizes[1]}, {len(seeds)} seeds, {trials} trials"
    print_trials(title, outcomes, limit=limit)
    print_pairs(title, outcomes)
    print_stops(title, outcomes)
    print(flush=True)
    return check_small(outcomes) if small else check_large(outcomes, limit=limit)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, print what it asks for; status 1 where an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="surfaces per family")
    parser.add_argument("--first-seed", type=int, default=0, help="for surfaces that nothing was chosen on")
    parser.add_argument("--size", choices=["small", "large", "both"], default="both")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--confidence", type=float, default=_USUAL.confidence, help="as sweep.confidence: when to stop")
    parser.add_argument("--grid", type=Path, help="a recorded grid instead: CSV with depth, width, margin")
    chosen = parser.parse_args(arguments)
    seeds = range(chosen.first_seed, chosen.first_seed + chosen.seeds)
    describe_machine(("numpy", "scipy", "scikit-learn", "optuna"))
    if chosen.grid is not None:
        surface = read_surface(chosen.grid)
        sure = chosen.confidence
        outcomes = [outcome for seed in seeds for outcome in _judge_recorded(surface, seed=seed, confidence=sure)]
        print_trials(chosen.grid.name, outcomes, limit=len(surface.margins) // 3)
        print_pairs(chosen.grid.name, outcomes)
        print_stops(chosen.grid.name, outcomes)
        return
    sizes = {"small": [SMALL], "large": [LARGE], "both": [SMALL, LARGE]}[chosen.size]
    met = [compare(size, seeds=seeds, jobs=chosen.jobs, confidence=chosen.confidence) for size in sizes]
    sys.exit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
