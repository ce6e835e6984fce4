"""Whether the verdicts can be believed: onset, intervals, claims and power on curves and ladders of known truth.

python benchmarks/calibration.py                                   all tables, small, in about a minute
python benchmarks/calibration.py --simulations 1000                what benchmarks/calibration.md records
python benchmarks/calibration.py --tables claims power --seed 1    some of them: onset, intervals, claims, power

The simulated curves have the noise and the spread between repeats of the ladders on record (experiments/). Every
simulation has random numbers of its own, from the seed, so that more of them only add to those before. Ends with
status 1 where an aim is missed beyond chance. Columns are explained in benchmarks/calibration.md.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # a process per core: threads of numpy would only get in each other's way

import argparse
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TypeVar

from calibration_cases import Case, ladder_cases, power_cases, rung_cases
from calibration_tables import (
    Row,
    claim_rows,
    interval_row,
    onset_rows,
    power_row,
    print_rows,
    record_rows,
    saving_row,
)
from calibration_trials import LOOKS, REPEATS, LadderTrial, try_curve, try_ladder, try_rung
from known_families import draw_known
from known_truth import NADEAU_BENGIO
from record_fit import RecordedRung, fit_records

from rfcx_lab.progress import progress

TABLES = ("onset", "intervals", "claims", "power")
BUDGETS = (30, 50, 100)
INTERVAL_REPEATS = (6, 12)
_CHUNK = 4

T = TypeVar("T")
Item = TypeVar("Item")


class Simulations:
    """Runs simulations on all cores, in the order asked for."""

    def __init__(self, *, count: int, seed: int, workers: int) -> None:
        """Plan `count` simulations per case."""
        self.count, self.seed = count, seed
        self._pool = ProcessPoolExecutor(workers) if workers > 1 else None

    def run(self, work: Callable[[Item], T], items: Sequence[Item], *, title: str) -> list[T]:
        """Do every item's work, showing how far it has come."""
        made = []
        with progress(title, total=len(items)) as bar:
            results = map(work, items) if self._pool is None else self._pool.map(work, items, chunksize=_CHUNK)
            for result in results:
                made.append(result)
                bar.advance()
        return made

    def run_case(self, work: Callable[..., T], case: Case) -> list[T]:
        """Do `work(case, seed=..., index=...)` for every simulation of a case."""
        return self.run(partial(_call, work, case, self.seed), range(self.count), title=case.name)

    def close(self) -> None:
        """End the workers."""
        if self._pool is not None:
            self._pool.shutdown()


def _call(work: Callable[..., T], case: Case, seed: int, index: int) -> T:
    return work(case, seed=seed, index=index)


def print_onsets(simulations: Simulations, recorded: Sequence[RecordedRung]) -> list[Row]:
    """Print how far `find_onset` is from the true epoch, per family and budget."""
    aims = []
    for epochs in BUDGETS:
        curves = list(draw_known(simulations.count, recorded, epochs=epochs, seed=simulations.seed))
        rows = onset_rows(simulations.run(try_curve, curves, title=f"onsets in {epochs} epochs"))
        head = ["curves", "median error", "90 %", "median signed", "no onset", "aim: median <= 2"]
        print_rows(f"Onset, {epochs} epochs", head, rows)
        aims += rows
    return aims


def print_intervals(simulations: Simulations, recorded: Sequence[RecordedRung]) -> list[Row]:
    """Print how often 95 % intervals hold the truth, and how wide they are."""
    onsets, rises = [], []
    for case in rung_cases(recorded):
        for repeats in INTERVAL_REPEATS:
            trials = simulations.run_case(partial(try_rung, repeats=repeats), case)
            binding = case.ladder.correlation <= NADEAU_BENGIO
            name = f"{case.name}, {repeats} repeats"
            onsets.append(interval_row(name, [trial.onset for trial in trials], aim="given_shared"))
            rises.append(interval_row(name, [trial.rise for trial in trials], aim="population" if binding else None))
    head = ["holds the population's", "holds that of the data drawn", "mean width", "median error", "open", "none"]
    print_rows("95 % interval of the median onset epoch", [*head, "aim: data drawn >= .93"], onsets)
    print_rows("95 % interval of the rise", [*head, "aim: population >= .93"], rises)
    return onsets + rises


def print_claims(simulations: Simulations, recorded: Sequence[RecordedRung]) -> list[Row]:
    """Print how often something false was established."""
    tables: dict[str, list[Row]] = {"6 repeats": [], "planned looks": [], "looks at the full level each": []}
    for case in ladder_cases(recorded):
        trials = simulations.run_case(partial(try_ladder, repeats=(6,)), case)
        for title, row in zip(tables, claim_rows(case, trials), strict=True):
            tables[title].append(row)
    head = ["right", "wrong", "of rungs named, wrong", "bound false", "at the best, false", "mean repeats"]
    for title, rows in tables.items():
        print_rows(f"Established, {title}", [*head, "aim: wrong <= .05"], rows)
    return tables["6 repeats"] + tables["planned looks"]


def print_power(simulations: Simulations, recorded: Sequence[RecordedRung]) -> list[Row]:
    """Print how often the true rung is established, by its rise and the repeats, and what looks save."""
    powers, savings = [], []
    for case in power_cases(recorded):
        trials: list[LadderTrial] = simulations.run_case(try_ladder, case)
        powers.append(power_row(case.name, trials))
        savings.append(saving_row(case.name, trials))
    print_rows("Power: the true rung established", [f"{count} repeats" for count in REPEATS], powers)
    planned = ", ".join(f"{look.repeats} ({look.alpha:.3f})" for look in LOOKS)
    head = ["established", f"by {LOOKS[-1].repeats} repeats at once", "of rungs named, wrong", "mean repeats", "saved"]
    print_rows(f"Looks at {planned}", head, savings)
    return []


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, simulate, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=40, metavar="N", help="per case and row (40)")
    parser.add_argument("--seed", type=int, default=0, help="of everything drawn (0)")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES, help="which to print (all)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (one per core)")
    chosen = parser.parse_args(arguments)
    recorded = fit_records(correlation=NADEAU_BENGIO)
    print(f"{chosen.simulations} simulations per row, seed {chosen.seed}")
    print_rows("Rungs on record", ["phi", "innovation", "onset", "depth", "rise", "spreads"], record_rows(recorded))
    simulations = Simulations(count=chosen.simulations, seed=chosen.seed, workers=chosen.workers)
    printers = {"onset": print_onsets, "intervals": print_intervals, "claims": print_claims, "power": print_power}
    try:
        rows = [row for name in chosen.tables for row in printers[name](simulations, recorded)]
    finally:
        simulations.close()
    missed = [row.name for row in rows if row.aim == "missed"]
    print(f"\n{len(missed)} aims missed beyond chance" + "".join(f"\n- {name}" for name in missed))
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
