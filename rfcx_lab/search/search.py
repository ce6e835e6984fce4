"""The trials of a sweep: asked for in batches, and told. The one who touches the Optuna study.

A trial that a killed driver left running is taken up: its architecture stands in the study, its finished fits in the
store. All that decides on a trial is the study as it was when its batch was asked for, and a seed of its own; so an
interrupted search asks for the same trials as an undisturbed one. While a database is away, every call waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from rfcx_lab.config import RungConfig
from rfcx_lab.console import say
from rfcx_lab.search.asked import Asked, Told
from rfcx_lab.search.claims import Claims
from rfcx_lab.search.dashboard import name_value, note_trial, show_curves, show_frontier
from rfcx_lab.search.database import outlast
from rfcx_lab.search.sampler import is_done, make_sampler
from rfcx_lab.search.space import Space
from rfcx_lab.search.trials import (
    FAILURE,
    count_trials,
    estimate_study,
    give_back,
    note_curves,
    read_history,
    tell_failure,
    tell_margins,
    tell_nothing_learnt,
    visit,
)
from rfcx_lab.sweep_config import SweepConfig
from rfcx_lab.verdict import Curves
from rfcx_lab.verdict.frontier import Frontier, FrontierConfig

R = TypeVar("R")

_REPEATS, _SAMPLER_SEED = "repeats", 3  # a user attribute; a stream of the study's seed, beside splits and fits


class Search:
    """A study that is asked and told; only drivers write to it."""

    def __init__(
        self,
        study: optuna.Study,
        space: Space,
        config: SweepConfig,
        *,
        claims: Claims,
        seed: int,
        overlap: float,
        build: Callable[[Mapping[str, int | float]], RungConfig],
        figures: Path,
    ) -> None:
        """`build` gives the rung of an architecture, `overlap` is that of `FrontierConfig`, `figures` a folder."""
        self.space, self.claims = space, claims
        self._study, self._config, self._seed, self._build = study, config, seed, build
        self._figures = figures
        self._outlast(lambda: name_value(study))
        self._frontier = FrontierConfig(confidence=config.confidence, tolerance=config.tolerance, overlap=overlap)

    @property
    def known(self) -> int:
        """Trials that have brought a loss, or have failed: those left running are fitted first."""
        return self.told + len(self._outlast(lambda: read_history(self._study, self.space)).failed)

    @property
    def told(self) -> int:
        """Trials that have brought a loss."""
        history = self._outlast(lambda: read_history(self._study, self.space))
        return len(history.observations) + len(history.not_learnt)

    def ask(self) -> list[Asked]:
        """The next batch: first what a killed driver left running. Empty where there are enough trials.

        Where there are enough but other drivers are still at theirs, wait: those may be told, or have to be taken up.
        """
        waiting = 0
        while True:
            batch, others = self._outlast(self._ask)
            if batch or not others:
                return batch
            if waiting != others:
                waiting = others
                self.claims.say_waiting(others)
            self.claims.wait()

    def _ask(self) -> tuple[list[Asked], int]:
        """A batch, and how many trials other drivers are fitting. What was asked for before it broke is taken up."""
        with self.claims.alone():
            self.claims.look()
            running = self._running()
            batch = [self._take_up(trial) for trial in running if self.claims.may_take_up(trial)]
            others = len(running) - len(batch)
            if not batch and self._is_done():
                return [], others
            count = count_trials(self._trials(), self.space)
            while count < self._config.n_trials and (not batch or count % self._config.at_once):
                self._study.sampler = self._sampler(len(self._trials()))
                trial = self.claims.ask()
                if not self._has_room(trial):
                    give_back(self._study, trial.number)
                    return batch, others + 1
                batch.append(self._describe(trial))
                count += 1
            return batch, others

    def _has_room(self, trial: Trial) -> bool:
        """Whether a trial is one of `n_trials` in the order of their numbers, whoever asked for others meanwhile.

        Of the trials before it no more can come to count, so that where all look, no more than `n_trials` are kept.
        """
        earlier = [other for other in self._trials() if other.number < trial.number]
        return count_trials(earlier, self.space) < self._config.n_trials

    def announce(self, asked: Asked, *, parameters: int, run: str | None, link: str | None) -> None:
        """Have a trial that is about to be fitted show what is known of it; `run` and `link` as for `tell`."""
        trial = asked.trial
        assert isinstance(trial, Trial)
        standing = f"Being fitted over repeats {', '.join(map(str, asked.repeats))}."

        def announce() -> None:
            there = self._study._storage.get_trial(trial._trial_id)
            if there.state.is_finished() or not self.claims.is_mine(there):
                return
            trial.set_user_attr("parameters", parameters)
            if run is not None:
                trial.set_user_attr("mlflow_run", run)
            note_trial(trial, asked.rung.name, standing=standing, run=run, link=link)

        self._outlast(announce)

    def tell(
        self,
        asked: Asked,
        *,
        margins: Sequence[float],
        value: float | None,
        notes: Mapping[str, Any],
        curves: Sequence[Curves],
        standing: str,
        learnt: bool = True,
        link: str | None = None,
        drawing: str | None = None,
    ) -> None:
        """Tell a trial its loss, with its margins and `notes`; without margins it has failed, as `notes` may say.

        One that has not `learnt` has no margins and has not failed. `standing` is what it has come to, in words, `link`
        where its fits are shown, `drawing` their curves as an SVG. What was told before, or taken over by another
        driver, is not told again.
        """
        trial = asked.trial
        assert isinstance(trial, Trial)

        def tell() -> None:
            there = self._study._storage.get_trial(trial._trial_id)
            if there.state.is_finished():  # by this very call, if its answer was lost
                return
            if not self.claims.is_mine(there):
                say(f"{asked.rung.name}: another driver has taken it over, while this one could not be heard of.")
                return
            trial.set_user_attr(_REPEATS, list(asked.repeats))
            for key, note in notes.items():
                trial.set_user_attr(key, note)
            note_trial(trial, asked.rung.name, standing=standing, run=notes.get("mlflow_run"), link=link)
            if drawing is not None:
                show_curves(trial, drawing, folder=self._figures)
            if self.claims.several:
                note_curves(self._study, trial, curves)
            if margins:
                tell_margins(self._study, trial, margins, value=value)
            elif not learnt and value is not None:
                tell_nothing_learnt(self._study, trial, value=value)
            else:
                tell_failure(self._study, trial, str(notes.get("reason", "no fit is usable")))

        self._outlast(tell)

    def frontier(self) -> Frontier | None:
        """Where the frontier runs by now; None where no trial is told."""
        return self._outlast(lambda: estimate_study(self._study, self.space, config=self._frontier))

    def show(self, document: Mapping[str, Any], *, figures: Sequence[Path]) -> None:
        """Have the study show a `frontier.json`, and its figures."""
        self._outlast(lambda: show_frontier(self._study, document, figures=figures, folder=self._figures))

    def finished(self) -> list[Asked]:
        """Every trial that was told its margins, or that it failed."""
        return [
            found
            for trial in self._outlast(self._trials)
            if _REPEATS in trial.user_attrs and (trial.state == TrialState.COMPLETE or FAILURE in trial.user_attrs)
            if (found := self._find(trial)) is not None
        ]

    def trials(self) -> list[Told]:
        """The same as they stand in the study."""
        return [
            Told.read(asked.trial, self.space.cells[asked.cell])
            for asked in self.finished()
            if isinstance(asked.trial, FrozenTrial)
        ]

    def _outlast(self, call: Callable[[], R]) -> R:
        return outlast(call, self._config.storage, patience=self._config.patience)

    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def _running(self) -> list[FrozenTrial]:
        return [trial for trial in self._trials() if trial.state == TrialState.RUNNING]

    def _is_done(self) -> bool:
        self._study.sampler = self._sampler(0)
        return is_done(self._study, self.space)

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        """A trial's own: what it draws does not hang on how many were drawn in this process before."""
        seed = int(np.random.SeedSequence([self._seed, _SAMPLER_SEED, number]).generate_state(1)[0])
        name, repeats = self._config.sampler, self._config.repeats
        return make_sampler(name, self.space, seed=seed, repeats=repeats, config=self._frontier)

    def _take_up(self, left: FrozenTrial) -> Asked:
        self._study.sampler = self._sampler(left.number)
        return self._describe(self.claims.take_up(left))

    def _describe(self, trial: Trial) -> Asked:
        cell = self.space.find(self.space.suggest(trial))
        assert cell is not None, trial.params
        earlier, count = visit(self._study, self.space, trial), self._config.repeats
        repeats = tuple(range(earlier * count, (earlier + 1) * count))  # of their own: an architecture may come again
        return Asked(trial.number, cell, self._rung(trial.number, cell), repeats, trial)

    def _find(self, trial: FrozenTrial) -> Asked | None:
        cell = self.space.find(trial.params)
        if cell is None:
            return None
        return Asked(trial.number, cell, self._rung(trial.number, cell), tuple(trial.user_attrs[_REPEATS]), trial)

    def _rung(self, number: int, cell: int) -> RungConfig:
        rung = self._build(self.space.cells[cell])
        rung.name = f"Trial {number}: {rung.name}"
        return rung
