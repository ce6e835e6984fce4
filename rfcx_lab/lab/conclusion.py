"""What a sweep comes to: where the frontier runs by all its trials, in files, in the Optuna study and in MLflow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rfcx_lab.engine.fits import FitSpec, FitStore, against
from rfcx_lab.errors import LabError, hide_password
from rfcx_lab.lab.fitting import Fitter
from rfcx_lab.lab.frontier_answer import build_frontier_answer, choose_architectures, judge_cells
from rfcx_lab.lab.outcome import Outcome, judge_architecture
from rfcx_lab.lab.pages import train_alone, write_sweep_page
from rfcx_lab.lab.predict import Measured, measure_rung
from rfcx_lab.lab.sweep_plan import SweepPlan
from rfcx_lab.lab.upkeep import write_circumstances
from rfcx_lab.lab.view import StudyView
from rfcx_lab.report.commands import Next, next_of_sweep
from rfcx_lab.report.files import write_frontier
from rfcx_lab.search.asked import Asked
from rfcx_lab.search.search import Search
from rfcx_lab.search.space import Architecture
from rfcx_lab.search.trials import failed_fits, noted_curves
from rfcx_lab.tracking.outage import await_server
from rfcx_lab.tracking.store import forgiving
from rfcx_lab.verdict import Curves
from rfcx_lab.verdict.record import SWEEP, LadderRecord


@dataclass(frozen=True)
class Swept:
    """A finished sweep: the whole document, and the files it was written to."""

    document: dict[str, Any]
    files: list[Path]
    following: Next | None  # what to run next


def judge_trial(plan: SweepPlan, asked: Asked, curves: Sequence[Curves]) -> Outcome:
    """Judge the fits of one trial."""
    return judge_architecture(
        curves,
        plan.info(asked.rung),
        index=asked.number,
        validation_fraction=plan.study.validation_fraction,
        config=plan.config,
    )


class Conclusion:
    """A search that has ended, about to be put on record."""

    def __init__(self, plan: SweepPlan, search: Search, fitter: Fitter, view: StudyView) -> None:
        self._plan, self._search, self._fitter, self._view = plan, search, fitter, view
        self._config = plan.config

    def write(self, output: Path, command: Sequence[str]) -> Swept:
        """Say where the frontier runs by all trials, and put it on record."""
        frontier = self._search.frontier()
        if frontier is None:
            raise LabError(self._say_nothing())
        finished = self._search.finished()
        fitted = [self._fitted(asked) for asked in finished]
        curves: dict[int, list[Curves]] = defaultdict(list)  # by cell
        for asked, some in zip(finished, fitted, strict=True):
            curves[asked.cell] += some
        outcomes = judge_cells(self._plan, curves)
        choice = choose_architectures(self._plan.space, outcomes, repeats=self._config.sweep.repeats)
        measured = self._measure(choice["recommended"]["values"], finished)
        document = build_frontier_answer(
            self._plan,
            self._search.trials(),
            outcomes,
            frontier,
            curves=[each for some in fitted for each in some],
            choice=choice,
            test=measured.document if measured else None,
        )
        files = write_frontier(output, document, self._record(curves), self._plan.study.clips.rejected)
        figures = [path for path in files if path.suffix == ".png"]
        self._search.claims.do_alone(lambda: self._search.show(document, figures=figures))
        chosen = choice["recommended"]["values"]
        page = write_sweep_page(
            output,
            self._plan.study,
            self._config,
            document=document,
            curves={asked.number: some for asked, some in zip(finished, fitted, strict=True)},
            recommended=None if chosen is None else self._plan.rung(chosen),
            measured=measured,
            command=command,
        )
        files.append(page)
        rungs = [
            asdict(judge_trial(self._plan, asked, some).summary) for asked, some in zip(finished, fitted, strict=True)
        ]
        told = [hide_password(override) for override in command]
        alone = (
            None if chosen is None else train_alone(self._plan.rung(chosen), document["recommended"]["epochs"], told)
        )
        following = next_of_sweep(document, told, alone=alone) if told else None
        circumstances = write_circumstances(self._config, output)
        await_server(self._config.tracking.uri, patience=self._config.sweep.patience)

        def show() -> None:
            with forgiving():
                self._view.refresh()
                self._view.show_rungs([self._plan.info(asked.rung) for asked in finished])
                for spec in (spec for asked in finished for spec in self._kept(asked)):
                    self._fitter.show(spec)
                shown = {**document, "rungs": rungs}
                self._view.close(shown, files=[*files, *circumstances], model=measured, following=following)

        self._search.claims.do_alone(show)
        return Swept(document, files, following)

    def _record(self, curves: Mapping[int, Sequence[Curves]]) -> LadderRecord:
        """Every curve, by architecture; those of an architecture's trials one after the other."""
        infos = {cell: self._plan.info(self._plan.rung(self._plan.space.cells[cell])) for cell in sorted(curves)}
        return LadderRecord(
            {info.name: curves[cell] for cell, info in infos.items()},
            tuple(infos.values()),
            self._plan.study.validation_fraction,
            SWEEP,
        )

    def _measure(self, values: Architecture | None, finished: Sequence[Asked]) -> Measured | None:
        """An architecture's fits, of all its trials, on the test part, as a ladder measures its recommended rung."""
        if values is None:
            return None
        rung, cell = self._plan.rung(values), self._plan.space.find(values)
        repeats = [repeat for asked in finished if asked.cell == cell for repeat in asked.repeats]
        store = FitStore(self._plan.study.store)
        serving = [store.serving(spec) for spec in self._plan.specs(rung, repeats)]
        study = replace(self._plan.study, fits=[spec for spec in serving if spec is not None])
        return measure_rung(self._fitter.engine, study, rung.name, self._config)

    def _say_nothing(self) -> str:
        if not self._search.told:
            return "No trial has two usable fits or more: there is nothing to tell a frontier by."
        return (
            f"Trained for {self._config.training.epochs} epochs, none of the architectures that were tried has learnt "
            "anything that could be overfit: there is nothing to tell a frontier by. Check labels, features and "
            "training.learning_rate, or train longer, with a greater training.epochs."
        )

    def _kept(self, asked: Asked) -> list[FitSpec]:
        """A told trial's fits, as far as they are still there: what it was told stands in the study."""
        return [spec for spec in self._plan.specs(asked.rung, asked.repeats) if not self._fitter.missing([spec])]

    def _fitted(self, asked: Asked) -> list[Curves]:
        """A told trial's curves: of its fits, those that failed then too; or as another driver has noted them."""
        fits = failed_fits(asked.trial)
        fits |= {spec.split.repeat: self._fitter.curves(spec) for spec in self._kept(asked)}
        own = [fits[repeat] for repeat in sorted(fits)]
        if len(own) == len(asked.repeats):
            return own
        specs = {spec.split.repeat: spec for spec in self._plan.specs(asked.rung, asked.repeats)}
        return [against(specs[each.repeat], each) for each in noted_curves(asked.trial)] or own
