"""How well `find_onset` tells overfit histories, and how soon it stops one, next to other rules.

python benchmarks/onset.py --histories DIR    a folder with overfit/ and non_overfit/, JSON files at any depth
python benchmarks/onset.py --histories DIR --degraded    also noisier, coarser and dropping copies of them
python benchmarks/onset.py --histories DIR --fit    how min_rise was fitted: leaving one task out at a time
python benchmarks/onset.py --simulated 60    curves of known truth, 60 per family

A file names its curves: `d[d["train_metric"]]` and `d[d["monitor_metric"]]`; one that is an accuracy or a score is
turned upside down. Columns are explained in benchmarks/onset.md. Costs about a minute per 500 curves of 1000 epochs.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from onset_curves import History
from onset_degraded import DEGRADATIONS, degrade
from onset_families import draw_families
from onset_rules import RULES, Ruling, Series
from onset_scores import DETECTION, STOPPING, Outcome, detection_row, macro_f1, stopping_row

from rfcx_lab.verdict import OnsetConfig, find_onset

DETECTOR = "find_onset"
PUBLISHED = (
    "published (Li et al. 2024, 40 real curves): detection macro-F1 .913, best of nine methods; stopping .975 at a "
    "median delay of 42.5 epochs"
)
_HIGHER_IS_BETTER = ("acc", "f1", "auc", "score", "precision", "recall")


def detect(train: Series, val: Series, config: OnsetConfig | None = None) -> Ruling:
    """`find_onset` as a rule: positive is the status overfit, all else is negative."""
    verdict = find_onset(train, val, config)
    return Ruling(verdict.status == "overfit", verdict.first_alarm)


def read_histories(folder: Path) -> list[History]:
    """Read every history under `overfit` and `non_overfit`, in the order of their paths.

    Raises:
        SystemExit: there is none, or a file is no such history.
    """
    histories = []
    for path in sorted(folder.rglob("*.json")):
        labels = [part for part in path.relative_to(folder).parts[:-1] if part in ("overfit", "non_overfit")]
        if labels:
            histories.append(_read(path, overfit=labels[-1] == "overfit"))
    if not histories:
        sys.exit(f"{folder} holds no overfit/ or non_overfit/ folder with JSON files.")
    return histories


def _read(path: Path, *, overfit: bool) -> History:
    try:
        document = json.loads(path.read_text())
        train, val = (_curve(document, document[key]) for key in ("train_metric", "monitor_metric"))
        if len(train) != len(val) or not len(val):
            raise ValueError(f"{len(train)} training and {len(val)} validation values")
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"{path} is no training history: {error}.")
    name = path.stem.removeprefix("training_log_")
    return History(name, name.split("_")[0], overfit, train, val)


def _curve(document: dict[str, Any], metric: str) -> Series:
    sign = -1.0 if any(word in metric.lower() for word in _HIGHER_IS_BETTER) else 1.0
    return sign * np.array(document[metric], float)


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table."""
    print(f"\n### {title}\n\n| | {' | '.join(head)} |\n|---|{'---:|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def apply(rule: Callable[[Series, Series], Ruling], histories: Sequence[History]) -> list[Outcome]:
    """Judge every history."""
    return [Outcome(history, rule(history.train, history.val)) for history in histories]


def compare(title: str, histories: Sequence[History]) -> None:
    """Print both tables for the detector and every other rule, and the detector's per task."""
    outcomes = {name: apply(rule, histories) for name, rule in {DETECTOR: detect, **RULES}.items()}
    print_table(f"{title}: detection", DETECTION, [[name, *detection_row(made)] for name, made in outcomes.items()])
    print_table(f"{title}: stopping", STOPPING, [[name, *stopping_row(made)] for name, made in outcomes.items()])
    print(f"\n{PUBLISHED}")
    print_tasks(title, outcomes[DETECTOR])
    print_lengths(title, outcomes[DETECTOR])


def print_tasks(title: str, outcomes: Sequence[Outcome]) -> None:
    """Print right labels and stopping per task (or family) and label."""
    keys = sorted({(outcome.history.task, not outcome.history.overfit) for outcome in outcomes})
    rows = []
    for task, negative in keys:
        own = [o for o in outcomes if o.history.task == task and o.history.overfit is not negative]
        label = "not overfit" if negative else "overfit"
        rows.append([f"{task}, {label}", f"{sum(o.right for o in own)} of {len(own)}", *stopping_row(own)])
    print_table(f"{title}: {DETECTOR} per task", ["right", *STOPPING], rows)


def print_lengths(title: str, outcomes: Sequence[Outcome]) -> None:
    """Print the same by the curves' length: a rise of the same size is slower in a longer one."""
    rows = []
    for low, high in pairwise((1, 60, 150, 300, 10**9)):
        for overfit, label in ((True, "overfit"), (False, "not overfit")):
            own = [o for o in outcomes if low <= len(o.history.val) < high and o.history.overfit is overfit]
            if own:
                name = f"{low} epochs and more, {label}"
                rows.append([name, f"{sum(o.right for o in own)} of {len(own)}", *stopping_row(own)])
    print_table(f"{title}: {DETECTOR} per length", ["right", *STOPPING], rows)


def compare_degraded(histories: Sequence[History]) -> None:
    """Print the detector's figures on degraded copies; every fourth history that is not overfit."""
    positive = [history for history in histories if history.overfit]
    some = positive + [history for history in histories if not history.overfit][::4]
    rows = []
    for way in DEGRADATIONS:
        made = apply(detect, [degrade(history, way=way) for history in some])
        wrong = [sum(o.history.overfit is label and not o.right for o in made) for label in (True, False)]
        rows.append([way, f"{macro_f1(made):.3f}", f"{wrong[0]} + {wrong[1]}", *stopping_row(made)])
    print_table("Degraded histories", ["macro-F1", "missed + false", *STOPPING], rows)


def fit(histories: Sequence[History]) -> None:
    """Choose `min_rise` without one task, judge that task by it, pool all such judgements."""
    grid = [round(0.02 * 1.15**i, 4) for i in range(12)]
    made = {value: apply(partial(detect, config=OnsetConfig(min_rise=value)), histories) for value in grid}
    pooled, rows = [], []
    for task in sorted({history.task for history in histories}):
        value = _choose({v: [o for o in out if o.history.task != task] for v, out in made.items()})
        own = [o for o in made[value] if o.history.task == task]
        pooled += own
        rows.append([task, f"{value:.4f}", f"{sum(o.right for o in own)} of {len(own)}"])
    print_table("min_rise, one task left out", ["chosen without it", "right on it"], rows)
    print_table("Pooled", DETECTION, [["left out", *detection_row(pooled)]])
    print(f"\nChosen on all tasks: {_choose(made):.4f}; in use: {OnsetConfig().min_rise}")
    print_table("The grid, on all tasks", ["macro-F1"], [[f"{v}", f"{macro_f1(o)}"] for v, o in made.items()])


def _choose(outcomes: dict[float, list[Outcome]]) -> float:
    """The geometric middle of the values with the highest macro-F1: farthest from either mistake."""
    scores = {value: macro_f1(made) for value, made in outcomes.items()}
    best = [value for value, score in scores.items() if score == max(scores.values())]
    middle = math.sqrt(best[0] * best[-1])
    return min(best, key=lambda value: abs(math.log(value / middle)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, print what it asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=Path, help="folder with overfit/ and non_overfit/")
    parser.add_argument("--degraded", action="store_true", help="also judge degraded copies of them")
    parser.add_argument("--fit", action="store_true", help="fit min_rise, leaving one task out at a time")
    parser.add_argument("--simulated", type=int, metavar="N", help="judge N simulated curves per family")
    parser.add_argument("--seed", type=int, default=0, help="of the simulated curves")
    chosen = parser.parse_args(arguments)
    if chosen.histories is None and chosen.simulated is None:
        parser.error("nothing to judge: give --histories DIR or --simulated N")
    for line in _steps(chosen):
        print(line)


def _steps(chosen: argparse.Namespace) -> Iterator[str]:
    if chosen.histories is not None:
        histories = read_histories(chosen.histories)
        yield f"{len(histories)} histories, {sum(history.overfit for history in histories)} of them overfit"
        if chosen.fit:
            fit(histories)
        else:
            compare("Histories", histories)
        if chosen.degraded:
            compare_degraded(histories)
    if chosen.simulated is not None:
        compare("Simulated curves", list(draw_families(chosen.simulated, seed=chosen.seed)))


if __name__ == "__main__":
    main()
