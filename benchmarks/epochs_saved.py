"""What ending a fit once its verdict is settled saves a sweep, and what it changes.

python benchmarks/epochs_saved.py    the ladder on real recordings, 50 epochs
python benchmarks/epochs_saved.py --curves FILE...    curves.csv.gz of any ladders
python benchmarks/epochs_saved.py --rules    the same for a range of rules
python benchmarks/epochs_saved.py --families 40    simulated curves, 40 of each kind (with --rules: for a range)
python benchmarks/epochs_saved.py --planes 20    simulated planes of known frontier, depth x width

A fit that ends early is, bit for bit, the beginning of the whole fit (tests/model/test_fit.py), so nothing is trained
here: whole curves are cut where the rule says. Columns are explained in benchmarks/epochs_saved.md. It ends with
status 1 where an aim is missed. Costs seconds per ladder, a second per plane, minutes with --rules.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from epochs_saved_planes import compare_planes
from epochs_saved_truth import Cut, CutLadder, cut_families, cut_ladder, wilson

from rfcx_lab.verdict.config import SettledConfig
from rfcx_lab.verdict.record import read_record

DEFAULT = Path(__file__).parents[1] / "experiments" / "ladder-esc50" / "curves.csv.gz"
AFTER, CLEARANCE = (0, 3, 5, 8), (0.0, 0.05, 0.1)
LEAST_AGREEMENT, LEAST_SAVED = 0.95, 0.4
_HEAD = ("status agrees", "of those ended", "best loss kept", "ended", "saved of overfitting", "saved of all")


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table."""
    print(f"\n| {' | '.join(head)} |\n|---|{'---:|' * (len(head) - 1)}")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def row(cuts: Sequence[Cut]) -> list[str]:
    """What fits come to, by the columns of `_HEAD`."""
    ended = [cut for cut in cuts if cut.ended]
    overfit = [cut for cut in cuts if cut.status == "overfit"]
    return [
        share(sum(cut.agrees for cut in cuts), len(cuts)),
        share(sum(cut.agrees for cut in ended), len(ended)),
        f"{sum(cut.best_kept for cut in cuts)} of {len(cuts)}",
        f"{len(ended)} of {len(cuts)}",
        percent(saved(overfit)),
        percent(saved(cuts)),
    ]


def share(hits: int, total: int) -> str:
    """A share with its interval."""
    if not total:
        return "–"
    low, high = wilson(hits, total)
    return f"{hits} of {total} ({100 * low:.0f} to {100 * high:.0f} %)"


def saved(cuts: Sequence[Cut]) -> float:
    """Share of the epochs that were not trained."""
    budget = sum(cut.budget for cut in cuts)
    return 1 - sum(cut.epochs for cut in cuts) / budget if budget else 0.0


def percent(value: float) -> str:
    """A share in words."""
    return f"{100 * value:.0f} %"


def show_ladder(name: str, ladder: CutLadder) -> bool:
    """Print what one ladder's fits and rungs come to; whether every aim is met."""
    print(f"\n## {name}: {len(ladder.cuts)} fits of {ladder.epochs} epochs")
    rungs = list(dict.fromkeys(cut.rung for cut in ladder.cuts))
    rows = [[rung, *row([cut for cut in ladder.cuts if cut.rung == rung])] for rung in rungs]
    print_table(("rung", *_HEAD), [*rows, ["all", *row(ladder.cuts)]])
    print()
    for cut in ladder.cuts:
        if not cut.agrees:
            print(f"status differs: {cut.rung}, repeat {cut.repeat}: {cut.cut_status} after {cut.epochs}, {cut.status}")
        if not cut.best_kept:
            print(f"best loss differs: {cut.rung}, repeat {cut.repeat}: {cut.best_ratio - 1:+.2%} after {cut.epochs}")
    shifts = [abs(cut.onset_shift) for cut in ladder.cuts if cut.onset_shift is not None]
    print(f"onset of ended fits differs by at most {max(shifts, default=0)} epochs, {_mean(shifts):.2f} on average")
    show_margins(ladder)
    agreement = sum(cut.agrees for cut in ladder.cuts) / len(ladder.cuts)
    spared = saved([cut for cut in ladder.cuts if cut.status == "overfit"])
    met = agreement >= LEAST_AGREEMENT and spared >= LEAST_SAVED and all(cut.best_kept for cut in ladder.cuts)
    print(
        f"\n{name}: statuses {agreement:.3f} (aim >= {LEAST_AGREEMENT}), best losses equal "
        f"{sum(cut.best_kept for cut in ladder.cuts)} of {len(ladder.cuts)} (aim: all), epochs of overfitting models "
        f"saved {spared:.3f} (aim >= {LEAST_SAVED}): {'met' if met else 'MISSED'}"
    )
    return met


def show_margins(ladder: CutLadder) -> None:
    """Print every rung's margin, as a sweep is told it, and where the frontier runs by them."""
    rows = []
    for rung in ladder.margins:
        pairs = list(zip(rung.whole, rung.cut, strict=True))
        same = sum((a > 0) == (b > 0) for a, b in pairs)
        rows.append([rung.name, f"{_mean(rung.whole):+.3f}", f"{_mean(rung.cut):+.3f}", f"{same} of {len(pairs)}"])
    print_table(("rung", "mean margin, whole", "ended early", "signs of repeats that agree"), rows)
    agree = sum((_mean(rung.whole) > 0) == (_mean(rung.cut) > 0) for rung in ladder.margins)
    print(f"\nmean margins of the same sign: {agree} of {len(ladder.margins)} rungs")
    if ladder.frontier is not None:
        whole, cut, doubt = ladder.frontier
        same = sum(a == b for a, b in zip(whole.sides, cut.sides, strict=True))
        print(f"frontier over depth x width: {same} of {len(whole.sides)} cells on the same side ({doubt})")
        print(f"  whole: {whole.status}, ended early: {cut.status}")


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, print what it asks for; 1 where an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curves", type=Path, nargs="+", metavar="FILE", help="curves.csv.gz of ladders")
    parser.add_argument("--families", type=int, metavar="N", help="N simulated curves of each kind")
    parser.add_argument("--planes", type=int, metavar="N", help="N simulated planes")
    parser.add_argument("--epochs", type=int, default=50, help="of simulated curves")
    parser.add_argument("--seed", type=int, default=0, help="of simulated curves")
    parser.add_argument("--rules", action="store_true", help="a range of rules, in place of one in detail")
    parser.add_argument("--after", type=int, default=SettledConfig().after, help="epochs overfit on end")
    parser.add_argument(
        "--clearance", type=float, default=SettledConfig().clearance, help="of the rise over the margin"
    )
    chosen = parser.parse_args(arguments)
    one = SettledConfig(after=chosen.after, clearance=chosen.clearance)
    rules = [SettledConfig(a, c) for c in CLEARANCE for a in AFTER] if chosen.rules else [one]
    met = True
    if chosen.families:
        show_families(rules, per_family=chosen.families, epochs=chosen.epochs, seed=chosen.seed)
    if chosen.planes:
        print_table(*compare_planes(rules, count=chosen.planes, epochs=chosen.epochs, seed=chosen.seed))
    files = chosen.curves or ([] if chosen.families or chosen.planes else [DEFAULT])
    for path in files:
        record, name = read_record(path), "/".join(path.parent.parts[-2:])
        if chosen.rules:
            print(f"\n## {name}")
            made = [(rule, cut_ladder(record, rule)) for rule in rules]
            print_table(("after, clearance", *_HEAD, "signs of rungs"), [_rule_row(rule, one) for rule, one in made])
        else:
            met = show_ladder(name, cut_ladder(record, one)) and met
    return 0 if met else 1


def _rule_row(rule: SettledConfig, ladder: CutLadder) -> list[str]:
    agree = sum((_mean(rung.whole) > 0) == (_mean(rung.cut) > 0) for rung in ladder.margins)
    return [f"{rule.after}, {rule.clearance:g}", *row(ladder.cuts), f"{agree} of {len(ladder.margins)}"]


def show_families(rules: Sequence[SettledConfig], *, per_family: int, epochs: int, seed: int) -> None:
    """Print what simulated curves come to: by family for one rule, pooled for several."""
    made = [cut_families(rule, per_family=per_family, epochs=epochs, seed=seed) for rule in rules]
    print(f"\n## {len(made[0])} simulated curves of {epochs} epochs")
    if len(rules) > 1:
        print("All but double descents, which no rule can foresee, and how many of those are ended.")
        pooled = [_pooled_row(rule, cuts) for rule, cuts in zip(rules, made, strict=True)]
        print_table(("after, clearance", *_HEAD, "double descents ended"), pooled)
        return
    families = list(dict.fromkeys(cut.rung for cut in made[0]))
    rows = [[family, *row([cut for cut in made[0] if cut.rung == family])] for family in families]
    print_table(("family", *_HEAD), [*rows, ["all", *row(made[0])]])


def _pooled_row(rule: SettledConfig, cuts: Sequence[Cut]) -> list[str]:
    unforeseen = [cut for cut in cuts if cut.rung == "double descent"]
    others = [cut for cut in cuts if cut.rung != "double descent"]
    ended = f"{sum(cut.ended for cut in unforeseen)} of {len(unforeseen)}"
    return [f"{rule.after}, {rule.clearance:g}", *row(others), ended]


if __name__ == "__main__":
    sys.exit(main())
