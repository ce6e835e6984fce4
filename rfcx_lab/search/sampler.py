"""Optuna samplers for a space of architectures: `make_sampler` gives one by name.

The driver asks a study for a trial, `Space.suggest` for its architecture, tells by `trials.tell_margins` or
`trials.tell_failure`, and goes on until `is_done`. All state lies in the study, so a restarted driver goes on where it
was.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from rfcx_lab.errors import LabError
from rfcx_lab.search.space import Number, Space
from rfcx_lab.search.trials import CELL, History, observe, sort_trials
from rfcx_lab.verdict.acquisition import next_cells
from rfcx_lab.verdict.frontier import FrontierConfig, estimate_frontier


def is_done(study: optuna.Study, space: Space) -> bool:
    """Whether there is nothing to ask for; what is still being fitted may yet be told, and change that.

    TPE always has something: whoever uses it sets a number of trials.
    """
    return isinstance(study.sampler, CellSampler) and study.sampler.is_done(sort_trials(study.get_trials(), space))


class CellSampler(optuna.samplers.BaseSampler):
    """Samples whole cells of a space. `choose` says which is next, `done` whether that is enough."""

    def __init__(
        self, space: Space, *, choose: Callable[[History], int | None], done: Callable[[History], bool]
    ) -> None:
        """`choose` gives None where no cell is left; then the least visited one is tried again."""
        self._space = space
        self._choose = choose
        self._done = done

    def is_done(self, history: History) -> bool:
        """Whether `history` is enough."""
        return self._done(history)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Choose the cell and note it, so that the next trial knows before any parameter is suggested."""
        if {"fixed_params", CELL} & set(trial.system_attrs):  # enqueued; or chosen by a driver that was killed then
            return
        others = [other for other in study.get_trials(deepcopy=False) if other.number != trial.number]
        history = sort_trials(others, self._space)
        cell = self._choose(history)
        if cell is None:
            visits = Counter(
                [o.cell for o in history.observations] + [*history.pending, *history.failed, *history.not_learnt]
            )
            cell = min(range(len(self._space.cells)), key=lambda index: visits[index])
        study._storage.set_trial_system_attr(trial._trial_id, CELL, self._space.cells[cell])

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """None: the cell is chosen as a whole."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """None: the cell is chosen as a whole."""
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Give the chosen cell's value.

        Raises:
            LabError: the cell has no such parameter.
        """
        cell: Mapping[str, Number] = trial.system_attrs.get(CELL, {})
        if param_name not in cell:
            raise LabError(
                f"Trial {trial.number} has no {param_name}: its architecture is {dict(cell) or 'enqueued'}. "
                "An enqueued trial must name every parameter that exists there, and no other may be asked for."
            )
        return cell[param_name]

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """End `Study.optimize` once it is enough."""
        others = [other for other in study.get_trials(deepcopy=False) if other.number != trial.number]
        told = observe(trial, self._space) if state == TrialState.COMPLETE else None
        if self._done(sort_trials(others, self._space, last=told)):
            with suppress(RuntimeError):  # not inside `Study.optimize`: who asks and tells looks at `is_done`
                study.stop()


class NearestTPE(optuna.samplers.TPESampler):
    """Optuna's TPE, whose values are moved to the nearest of the space."""

    def __init__(self, space: Space, *, seed: int) -> None:
        """Grouped, as a conditional space needs."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            super().__init__(seed=seed, multivariate=True, group=True)
        self._axes = {axis.name: axis for axis in space.axes}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """See `BaseSampler.sample_relative`."""
        sampled = super().sample_relative(study, trial, search_space)
        return {name: self._axes[name].nearest(value) for name, value in sampled.items()}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """See `BaseSampler.sample_independent`."""
        value = super().sample_independent(study, trial, param_name, param_distribution)
        return self._axes[param_name].nearest(value)


def _frontier(space: Space, seed: int, config: FrontierConfig, repeats: int) -> CellSampler:
    def choose(history: History) -> int | None:
        cells = next_cells(
            space.grid,
            history.observations,
            pending=history.pending,
            barred=history.failed,
            not_learnt=history.not_learnt,
            repeats=repeats,
            overlap=config.overlap,
        )
        return cells[0] if cells else None

    def done(history: History) -> bool:
        observations, nothing = history.observations, history.not_learnt
        if len({*history.pending, *history.failed, *nothing}) == len(space.cells):
            return True
        if not observations:
            return False
        return estimate_frontier(space.grid, observations, not_learnt=nothing, config=config).settled

    return CellSampler(space, choose=choose, done=done)


def _in_order(space: Space, order: Sequence[int]) -> CellSampler:
    """Every cell once."""
    return CellSampler(
        space,
        choose=lambda history: next((cell for cell in order if cell not in history.seen), None),
        done=lambda history: len(history.seen) == len(space.cells),
    )


def _grid(space: Space, seed: int, config: FrontierConfig, repeats: int) -> CellSampler:
    return _in_order(space, range(len(space.cells)))


def _random(space: Space, seed: int, config: FrontierConfig, repeats: int) -> CellSampler:
    return _in_order(space, [int(cell) for cell in np.random.default_rng(seed).permutation(len(space.cells))])


def _tpe(space: Space, seed: int, config: FrontierConfig, repeats: int) -> NearestTPE:
    return NearestTPE(space, seed=seed)


SAMPLERS: dict[str, Callable[[Space, int, FrontierConfig, int], optuna.samplers.BaseSampler]] = {
    "frontier": _frontier,
    "grid": _grid,
    "random": _random,
    "tpe": _tpe,
}


def make_sampler(
    name: str, space: Space, *, seed: int, repeats: int = 3, config: FrontierConfig | None = None
) -> optuna.samplers.BaseSampler:
    """Give the sampler of that name; `repeats` are those a trial will bring.

    Raises:
        LabError: there is no such sampler.
    """
    if name not in SAMPLERS:
        raise LabError(f"sampler={name}: must be one of {', '.join(SAMPLERS)}.")
    return SAMPLERS[name](space, seed, config or FrontierConfig(), repeats)
