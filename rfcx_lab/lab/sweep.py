"""The sweep from end to end: prepare, ask, fit, tell, say where the frontier runs, put on record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rfcx_lab.config import Config
from rfcx_lab.console import say
from rfcx_lab.errors import LabError
from rfcx_lab.files import full_disk_said
from rfcx_lab.lab.engine import open_engine
from rfcx_lab.lab.estimate import Cost
from rfcx_lab.lab.fits import FitSpec
from rfcx_lab.lab.fitting import Fitter
from rfcx_lab.lab.frontier_answer import build_frontier_answer
from rfcx_lab.lab.outcome import Outcome, judge_architecture
from rfcx_lab.lab.search import Asked, Search
from rfcx_lab.lab.sweep_plan import SweepPlan, plan_sweep
from rfcx_lab.lab.tracking_store import forgiving
from rfcx_lab.lab.trial_store import open_study
from rfcx_lab.lab.upkeep import alone_on, clear_leftovers, write_circumstances
from rfcx_lab.lab.view import StudyView
from rfcx_lab.lab.work import FitFunction, warm_up
from rfcx_lab.model.fit import fit_rung
from rfcx_lab.report.files import write_frontier
from rfcx_lab.verdict import Curves, RungInfo


@dataclass(frozen=True)
class Swept:
    """A finished sweep: the whole document, and the files it was written to."""

    document: dict[str, Any]
    files: list[Path]


def run_sweep(config: Config, output: Path, *, fit: FitFunction = fit_rung) -> Swept:
    """Search the space of `config`, and leave the frontier in `output`, in the Optuna study and in MLflow.

    Trials that an earlier run has told are gone on from, and fits that any run has finished, a ladder's too, are taken
    from the store. `fit` is what trains a rung.

    Raises:
        LabError: the config, the data or a store can't be used, the stored study is another one, or no fit gives a
            result; or no space is left on the disk, and what was trained is kept.
    """
    runs = Path(config.runs_dir)
    with full_disk_said(runs), open_engine(config.engine) as engine:
        clear_leftovers(runs)
        plan = plan_sweep(config, mapper=engine.map)
        with alone_on(f"sweep-{config.name}", runs=runs):
            search = Search(
                open_study(config.sweep.storage, name=config.name, identity=plan.identity),
                plan.space,
                config.sweep,
                seed=config.seed,
                overlap=plan.overlap,
                build=plan.rung,
            )
            if search.count < config.sweep.n_trials:
                engine.prepare(partial(warm_up, fit))  # while this process opens MLflow
            view = StudyView(plan.study, config)
            try:
                fitter = Fitter(engine, view, config, store=plan.study.store, fit=fit)
                sweep = Sweep(plan, search, fitter, view)
                sweep.search()
                return sweep.conclude(output)
            except BaseException as error:
                engine.close()  # while the study is ours: another driver must not meet our workers
                with forgiving():
                    view.abandon(error)
                raise


class Sweep:
    """A search that is under way: fits what is asked for, and tells what it comes to."""

    def __init__(self, plan: SweepPlan, search: Search, fitter: Fitter, view: StudyView) -> None:
        self._plan, self._search, self._fitter, self._view = plan, search, fitter, view
        self._config = plan.config
        self._shown: list[RungInfo] = []

    def search(self) -> None:
        """Go on until there are enough trials, or the frontier is known."""
        self._say_plan()
        self._show(self._search.finished())
        while batch := self._search.ask():
            self._show(batch)
            specs = [self._specs(asked) for asked in batch]
            curves = iter(self._fitter.fit([spec for some in specs for spec in some], label=_label(batch)))
            fitted = [[next(curves) for _ in some] for some in specs]
            if not self._search.told and not any(each.epochs for some in fitted for each in some):
                raise LabError(f"Every fit failed, the first one because: {fitted[0][0].failure}.")
            for asked, some in zip(batch, fitted, strict=True):
                self._tell(asked, some)

    def conclude(self, output: Path) -> Swept:
        """Say where the frontier runs by all trials, and put it on record."""
        frontier = self._search.frontier()
        if frontier is None:
            raise LabError("No trial has two usable fits or more: there is nothing to tell a frontier by.")
        finished = self._search.finished()
        specs = [self._kept(asked) for asked in finished]
        curves: dict[int, list[Curves]] = defaultdict(list)  # by cell
        for asked, some in zip(finished, specs, strict=True):
            curves[asked.cell] += [self._fitter.curves(spec) for spec in some]
        document = build_frontier_answer(self._plan, self._search.trials(), curves, frontier)
        self._search.show(document)
        files = write_frontier(output, document, self._plan.study.clips.rejected)
        with forgiving():
            for spec in (spec for some in specs for spec in some):
                self._fitter.show(spec)
            rungs = [
                asdict(self._judge(asked, [self._fitter.curves(spec) for spec in some]).summary)
                for asked, some in zip(finished, specs, strict=True)
            ]
            shown = {**document, "rungs": rungs, "test": None}
            self._view.close(shown, files=[*files, *write_circumstances(self._config, output)], model=None)
        return Swept(document, files)

    def _tell(self, asked: Asked, curves: Sequence[Curves]) -> None:
        outcome = self._judge(asked, curves)
        notes, link = outcome.notes, None
        with forgiving():
            notes["mlflow_run"] = self._view.open_rung(asked.rung.name)
            link = self._view.link_rung(asked.rung.name)
        self._search.tell(asked, margins=outcome.margins, value=outcome.value, notes=notes, link=link)
        found = "failed" if not outcome.margins else f"rise {notes['rise']:+.1%}, best loss {outcome.value:.3f}"
        say(f"{asked.rung.name}: {found} ({_count(outcome.summary.statuses)})")

    def _judge(self, asked: Asked, curves: Sequence[Curves]) -> Outcome:
        return judge_architecture(
            curves,
            self._plan.info(asked.rung),
            index=asked.number,
            validation_fraction=self._plan.study.validation_fraction,
            config=self._config,
        )

    def _specs(self, asked: Asked) -> list[FitSpec]:
        return self._plan.specs(asked.rung, asked.repeats)

    def _kept(self, asked: Asked) -> list[FitSpec]:
        """A told trial's fits, as far as they are still there: what it was told stands in the study."""
        return [spec for spec in self._specs(asked) if not self._fitter.missing([spec])]

    def _show(self, some: Sequence[Asked]) -> None:
        """Have MLflow show a run for each."""
        self._shown += [self._plan.info(asked.rung) for asked in some]
        with forgiving():
            self._view.show_rungs(self._shown)

    def _say_plan(self) -> None:
        sweep, cells, told = self._config.sweep, len(self._plan.space.cells), self._search.count
        known = f", {told} of them known from earlier runs" if told else ""
        say(
            f"Trials: at most {max(sweep.n_trials, told)} over {cells} architectures{known}, {sweep.repeats} repeats "
            f"each, sampler {sweep.sampler}; {self._describe_cost(max(sweep.n_trials - told, 0))}."
        )

    def _describe_cost(self, trials: int) -> str:
        """As of trials spread evenly over the space: which ones will be asked for is not known."""
        cells, config = self._plan.space.cells, self._config
        cost = Cost(self._plan.input_shape, config.engine, workers=self._fitter.engine.workers)
        spread = [cells[n * len(cells) // trials] for n in range(trials)]
        repeats = range(config.sweep.repeats)
        return cost.describe([spec for cell in spread for spec in self._plan.specs(self._plan.rung(cell), repeats)])


def _label(batch: Sequence[Asked]) -> str:
    """What the terminal calls the fits of some trials."""
    first, last = batch[0].number, batch[-1].number
    return f"Trial {first}" if first == last else f"Trials {first} to {last}"


def _count(statuses: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in statuses.items())
