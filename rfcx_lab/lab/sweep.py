"""The sweep from end to end: prepare, ask, fit, tell; what it comes to is put on record by `conclusion`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from rfcx_lab.config import Config
from rfcx_lab.console import say
from rfcx_lab.engine.engine import Engine, open_engine
from rfcx_lab.engine.estimate import Cost
from rfcx_lab.engine.fits import FitSpec
from rfcx_lab.engine.work import FitFunction, warm_up
from rfcx_lab.errors import LabError
from rfcx_lab.files import full_disk_said
from rfcx_lab.lab.checks import check_config
from rfcx_lab.lab.conclusion import Conclusion, Swept, judge_trial
from rfcx_lab.lab.fitting import Fitter
from rfcx_lab.lab.sweep_plan import SweepPlan, plan_sweep
from rfcx_lab.lab.upkeep import alone_on, clear_leftovers
from rfcx_lab.lab.view import StudyView
from rfcx_lab.model.fit import fit_rung
from rfcx_lab.report.trial_drawing import draw_trial
from rfcx_lab.search.artifacts import artifact_folder
from rfcx_lab.search.asked import Asked
from rfcx_lab.search.claims import Claims, name_driver
from rfcx_lab.search.search import Search
from rfcx_lab.search.trial_store import SHARED, check_storage, held, open_study
from rfcx_lab.search.trials import FAILED_FITS
from rfcx_lab.tracking.store import forgiving
from rfcx_lab.verdict import Curves, RungInfo

_ANOTHER = f"wait for that run to end, or give this one a runs_dir of its own and both one database, {SHARED}"


def run_sweep(config: Config, output: Path, *, fit: FitFunction = fit_rung, command: Sequence[str] = ()) -> Swept:
    """Search the space of `config`, and leave the frontier in `output`, in the Optuna study and in MLflow.

    Trials that an earlier run has told are gone on from, and fits that any run has finished, a ladder's too, are taken
    from the store. `fit` is what trains a rung, `command` the overrides of `config`, for the report to quote. Several
    drivers, each with a `runs_dir` of its own, may work on a study that lies in a database: they share its trials, and
    each tells the whole frontier.

    Raises:
        LabError: the config, the data or a store can't be used, the stored study is another one, or no fit gives a
            result; or no space is left on the disk, or a database or a scheduler has gone for long, and what was
            trained is kept.
    """
    runs = Path(config.runs_dir)
    check_config(config)
    with full_disk_said(runs), open_engine(config.engine, tracking_uri=config.tracking.uri) as engine:
        clear_leftovers(runs)
        with alone_on(f"sweep-{config.name}", runs=runs, else_=_ANOTHER), held(config.sweep.storage):
            check_storage(config.sweep.storage)
            return _run(plan_sweep(config, mapper=engine.map), engine, output, fit, command)


def _run(plan: SweepPlan, engine: Engine, output: Path, fit: FitFunction, command: Sequence[str]) -> Swept:
    config, runs = plan.config, Path(plan.config.runs_dir)
    storage, patience = config.sweep.storage, config.sweep.patience
    study = open_study(storage, name=config.name, identity=plan.identity)
    with Claims(study, name_driver(runs), storage=storage, patience=patience) as claims:
        search = Search(
            study,
            plan.space,
            config.sweep,
            claims=claims,
            seed=config.seed,
            overlap=plan.overlap,
            build=plan.rung,
            figures=artifact_folder(storage, runs),
        )
        if search.known < config.sweep.n_trials:
            engine.prepare(partial(warm_up, fit))  # while this process opens MLflow
        view = claims.do_alone(partial(StudyView, plan.study, config))  # one driver opens its run, and others find it
        try:
            fitter = Fitter(engine, view, config, store=plan.study.store, fit=fit)
            Sweep(plan, search, fitter, view).search()
            return Conclusion(plan, search, fitter, view).write(output, command)
        except BaseException as error:
            engine.close()  # while the study is ours: another driver must not meet our workers
            with forgiving():
                view.abandon(error, others=claims.others())
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
            for asked in batch:
                run, link = self._place(asked)
                self._search.announce(
                    asked, parameters=self._plan.info(asked.rung).trainable_parameters, run=run, link=link
                )
            specs = [self._specs(asked) for asked in batch]
            curves = iter(self._fitter.fit([spec for some in specs for spec in some], label=_label(batch)))
            fitted = [[next(curves) for _ in some] for some in specs]
            if not self._search.told and not any(each.epochs for some in fitted for each in some):
                raise LabError(f"Every fit failed, the first one because: {fitted[0][0].failure}.")
            for asked, some in zip(batch, fitted, strict=True):
                self._tell(asked, some)

    def _tell(self, asked: Asked, curves: Sequence[Curves]) -> None:
        outcome = judge_trial(self._plan, asked, curves)
        notes = outcome.notes
        run, link = self._place(asked)
        if run is not None:
            notes["mlflow_run"] = run
        if failed := {str(each.repeat): each.failure for each in curves if not each.epochs}:
            notes[FAILED_FITS] = failed
        rise, trained = "rise", ""
        if any(each.settled for each in curves):
            budget = self._config.training.epochs * len(curves)
            rise, trained = "projected rise", f"; {sum(each.epochs for each in curves)} of {budget} epochs"
        found = "failed" if outcome.learnt else "has learnt nothing"
        if outcome.margins:
            found = f"{rise} {notes['rise']:+.1%}, best loss {outcome.value:.3f}"
        found = f"{found} ({_count(outcome.summary.statuses)}{trained})"
        self._search.tell(
            asked,
            margins=outcome.margins,
            value=outcome.value,
            notes=notes,
            curves=curves,
            learnt=outcome.learnt,
            standing=f"{found[:1].upper()}{found[1:]}.",
            link=link,
            drawing=draw_trial(asked.rung.name, curves, onset=notes.get("onset")),
        )
        say(f"{asked.rung.name}: {found}")

    def _place(self, asked: Asked) -> tuple[str | None, str | None]:
        """A trial's run in MLflow, and where it is shown; None where MLflow can't say."""
        run, link = None, None
        with forgiving():
            run, link = self._view.open_rung(asked.rung.name), self._view.link_rung(asked.rung.name)
        return run, link

    def _specs(self, asked: Asked) -> list[FitSpec]:
        return self._plan.specs(asked.rung, asked.repeats)

    def _show(self, some: Sequence[Asked]) -> None:
        """Have MLflow show a run for each; another driver may have opened that of a trial which is taken up."""
        self._shown += [self._plan.info(asked.rung) for asked in some]
        with forgiving():
            if self._search.claims.several:
                self._view.refresh()
            self._view.show_rungs(self._shown)

    def _say_plan(self) -> None:
        sweep, cells, told = self._config.sweep, len(self._plan.space.cells), self._search.known
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
