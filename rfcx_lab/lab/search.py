"""The trials of a sweep: asked for in batches, and told. The one who touches the Optuna study.

A trial that a killed driver left running is taken up: its architecture stands in the study, its finished fits in the
store. All that decides on a trial is the study as it was when its batch was asked for, and a seed of its own; so an
interrupted search asks for the same trials as an undisturbed one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from rfcx_lab.config import RungConfig
from rfcx_lab.lab.dashboard import note_trial, show_frontier
from rfcx_lab.lab.sampler import is_done, make_sampler
from rfcx_lab.lab.space import Space
from rfcx_lab.lab.trials import FAILURE, History, estimate_study, read_history, tell_failure, tell_margins, visit
from rfcx_lab.sweep_config import SweepConfig
from rfcx_lab.verdict.frontier import Frontier, FrontierConfig

_REPEATS, _SAMPLER_SEED = "repeats", 3  # a user attribute; a stream of the study's seed, beside splits and fits


@dataclass(frozen=True)
class Asked:
    """A trial to be fitted, or one that has been told."""

    number: int
    cell: int  # of the space
    rung: RungConfig  # named after trial and architecture
    repeats: tuple[int, ...]
    trial: Trial | FrozenTrial


@dataclass(frozen=True)
class Told:
    """A trial as it stands in the study at the end."""

    number: int
    state: str  # "complete" or "failed"
    architecture: Mapping[str, int | float]
    value: float | None
    notes: Mapping[str, Any]  # the trial's user attributes


class Search:
    """A study that is asked and told; nothing else writes to it."""

    def __init__(
        self,
        study: optuna.Study,
        space: Space,
        config: SweepConfig,
        *,
        seed: int,
        overlap: float,
        build: Callable[[Mapping[str, int | float]], RungConfig],
    ) -> None:
        """`build` gives the rung of an architecture; `overlap` is that of `FrontierConfig`."""
        self.space = space
        self._study, self._config, self._seed, self._build = study, config, seed, build
        self._frontier = FrontierConfig(confidence=config.confidence, overlap=overlap)

    @property
    def count(self) -> int:
        """Trials that were told, or are running."""
        history = self._history
        return len(history.observations) + len(history.failed) + len(self._running())

    @property
    def told(self) -> int:
        """Trials that have brought margins."""
        return len(self._history.observations)

    def ask(self) -> list[Asked]:
        """The next batch: first what a killed driver left running. Empty where there are enough trials."""
        batch = [self._take_up(trial) for trial in self._running()]
        if not batch and self._is_done():
            return []
        count = self.count
        while count < self._config.n_trials and (not batch or count % self._config.at_once):
            self._study.sampler = self._sampler(len(self._study.get_trials(deepcopy=False)))
            batch.append(self._describe(self._study.ask()))
            count += 1
        return batch

    def tell(
        self,
        asked: Asked,
        *,
        margins: Sequence[float],
        value: float | None,
        notes: Mapping[str, Any],
        link: str | None = None,
    ) -> None:
        """Tell a trial its loss, with its margins and `notes`; without margins it has failed, as `notes` may say.

        `link` is where its fits are shown.
        """
        assert isinstance(asked.trial, Trial)
        asked.trial.set_user_attr(_REPEATS, list(asked.repeats))
        for key, note in notes.items():
            asked.trial.set_user_attr(key, note)
        if link is not None:
            note_trial(asked.trial, asked.rung.name, link=link)
        if margins:
            tell_margins(self._study, asked.trial, margins, value=value)
        else:
            tell_failure(self._study, asked.trial, str(notes.get("reason", "no fit is usable")))

    def frontier(self) -> Frontier | None:
        """Where the frontier runs by now; None where no trial is told."""
        return estimate_study(self._study, self.space, config=self._frontier)

    def show(self, document: Mapping[str, Any]) -> None:
        """Have the study show a `frontier.json`."""
        show_frontier(self._study, document)

    def finished(self) -> list[Asked]:
        """Every trial that was told its margins, or that it failed."""
        return [
            found
            for trial in self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.FAIL))
            if _REPEATS in trial.user_attrs and (trial.state == TrialState.COMPLETE or FAILURE in trial.user_attrs)
            if (found := self._find(trial)) is not None
        ]

    def trials(self) -> list[Told]:
        """The same as they stand in the study."""
        return [
            Told(
                number=asked.number,
                state="complete" if asked.trial.state == TrialState.COMPLETE else "failed",
                architecture=self.space.cells[asked.cell],
                value=asked.trial.value if asked.trial.state == TrialState.COMPLETE else None,
                notes=asked.trial.user_attrs,
            )
            for asked in self.finished()
            if isinstance(asked.trial, FrozenTrial)
        ]

    @property
    def _history(self) -> History:
        return read_history(self._study, self.space)

    def _running(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))

    def _is_done(self) -> bool:
        self._study.sampler = self._sampler(0)
        return is_done(self._study, self.space)

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        """A trial's own: what it draws does not hang on how many were drawn in this process before."""
        seed = int(np.random.SeedSequence([self._seed, _SAMPLER_SEED, number]).generate_state(1)[0])
        return make_sampler(
            self._config.sampler, self.space, seed=seed, repeats=self._config.repeats, config=self._frontier
        )

    def _take_up(self, left: FrozenTrial) -> Asked:
        self._study.sampler = self._sampler(left.number)
        return self._describe(Trial(self._study, left._trial_id))

    def _describe(self, trial: Trial) -> Asked:
        cell = self.space.find(self.space.suggest(trial))
        assert cell is not None, trial.params
        earlier = visit(self._study, self.space, trial)
        count = self._config.repeats
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
