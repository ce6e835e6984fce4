"""What the trials of an Optuna study say of a space of architectures, and how they are told.

A trial's value is to be minimised: its loss, or, where none is told, its distance from the frontier, |mean margin|. The
signed margins per repeat, which tell the frontier, stand in its user attributes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from rfcx_lab.search.space import Space
from rfcx_lab.verdict import Curves
from rfcx_lab.verdict.frontier import Frontier, FrontierConfig, estimate_frontier
from rfcx_lab.verdict.level_set import Observation

DIRECTION = StudyDirection.MINIMIZE  # of a study
CELL = "rfcx_lab:cell"  # system attribute: the architecture, known before any parameter is suggested
_MARGINS, FAILURE, NOTHING_LEARNT = "margins", "failure", "nothing_learnt"  # user attributes
FAILED_FITS = "failed_fits"  # user attribute: reasons by repeat, of fits that no store has a record of
_CURVES = "rfcx_lab:curves"  # system attribute: of a study that has several drivers


@dataclass(frozen=True)
class History:
    """The trials of a study, as cells of a space."""

    observations: tuple[Observation, ...]  # in the order in which they were told
    pending: tuple[int, ...]  # being fitted
    failed: tuple[int, ...]  # can't be fitted
    not_learnt: tuple[int, ...]  # have learnt nothing: no margin can be told
    foreign: int  # finished trials of architectures the space lacks, or told without margins: left out

    @property
    def seen(self) -> set[int]:
        """Every cell that was tried or is being tried."""
        return {observation.cell for observation in self.observations} | {
            *self.pending,
            *self.failed,
            *self.not_learnt,
        }


def read_history(study: optuna.Study, space: Space) -> History:
    """Sort the trials of a study. One that failed without `tell_failure` was interrupted, and counts as never asked."""
    return sort_trials(study.get_trials(deepcopy=False), space)


def estimate_study(study: optuna.Study, space: Space, *, config: FrontierConfig | None = None) -> Frontier | None:
    """Say where the frontier runs by the trials of a study, whatever sampled them; None where none is told."""
    history = read_history(study, space)
    if not history.observations:
        return None
    return estimate_frontier(space.grid, history.observations, not_learnt=history.not_learnt, config=config)


def tell_margins(
    study: optuna.Study, trial: optuna.Trial, margins: Sequence[float], *, value: float | None = None
) -> None:
    """Tell the overfit margins of a trial's repeats, and its value where that is not |mean margin|.

    Raises:
        LabError: there is none, or one is not finite.
    """
    observed = Observation(0, tuple(map(float, margins))).margins
    trial.set_user_attr(_MARGINS, list(observed))
    study.tell(trial, abs(float(np.mean(observed))) if value is None else value)


def tell_nothing_learnt(study: optuna.Study, trial: optuna.Trial, *, value: float) -> None:
    """Tell the loss of a trial that has learnt nothing: it has no side, and is not asked for again."""
    trial.set_user_attr(NOTHING_LEARNT, True)
    study.tell(trial, value)


def tell_failure(study: optuna.Study, trial: optuna.Trial, reason: str) -> None:
    """Tell that a trial's architecture can't be fitted: it is not asked for again."""
    trial.set_user_attr(FAILURE, reason)
    study.tell(trial, state=TrialState.FAIL)


def note_curves(study: optuna.Study, trial: optuna.Trial, curves: Sequence[Curves]) -> None:
    """Keep the curves of a running trial's fits for drivers that have not these fits in their store."""
    study._storage.set_trial_system_attr(trial._trial_id, _CURVES, [each.to_dict() for each in curves])


def noted_curves(trial: optuna.Trial | FrozenTrial) -> list[Curves]:
    """What `note_curves` has kept of a trial that is told."""
    kept = trial.system_attrs.get(_CURVES, []) if isinstance(trial, FrozenTrial) else []
    return [Curves.from_dict(each) for each in kept]


def failed_fits(trial: optuna.Trial | FrozenTrial) -> dict[int, Curves]:
    """The fits, by repeat, that gave no result when the trial was told: a later run must count them, too."""
    failed = trial.user_attrs.get(FAILED_FITS, {})
    return {int(repeat): Curves((), (), (), (), int(repeat), reason) for repeat, reason in failed.items()}


def give_back(study: optuna.Study, number: int) -> None:
    """End a running trial that is not to be fitted: it counts as never asked."""
    study.tell(number, state=TrialState.FAIL)


def visit(study: optuna.Study, space: Space, trial: optuna.Trial) -> int:
    """How many trials before this one had its architecture: its repeats have to be others than theirs."""
    earlier = [other for other in study.get_trials(deepcopy=False) if other.number < trial.number]
    history = sort_trials(earlier, space)
    own = space.find(trial.params)
    told = (*(o.cell for o in history.observations), *history.not_learnt)
    return sum(cell == own for cell in (*told, *history.pending, *history.failed))


def sort_trials(trials: Sequence[FrozenTrial], space: Space, *, last: Observation | None = None) -> History:
    """Sort trials; `last` is an observation that is just being told."""
    finished = sorted((t for t in trials if t.state == TrialState.COMPLETE), key=_told)
    nothing = {
        trial.number: cell
        for trial in finished
        if NOTHING_LEARNT in trial.user_attrs and (cell := space.find(trial.params)) is not None
    }
    observed = [observe(trial, space) for trial in finished if trial.number not in nothing]
    open_ones = [t for t in trials if t.state in (TrialState.RUNNING, TrialState.WAITING)]
    failed = [t for t in trials if t.state == TrialState.FAIL and FAILURE in t.user_attrs]
    return History(
        observations=(*(o for o in observed if o is not None), *([last] if last else [])),
        pending=tuple(cell for t in open_ones if (cell := _locate(t, space)) is not None),
        failed=tuple(cell for t in failed if (cell := _locate(t, space)) is not None),
        not_learnt=tuple(nothing.values()),
        foreign=sum(o is None for o in observed),
    )


def _told(trial: FrozenTrial) -> tuple[float, int]:
    return trial.datetime_complete.timestamp() if trial.datetime_complete else 0.0, trial.number


def count_trials(trials: Sequence[FrozenTrial], space: Space) -> int:
    """Those that were told, or are running."""
    history = sort_trials(trials, space)
    told = len(history.observations) + len(history.not_learnt) + len(history.failed)
    return told + sum(trial.state == TrialState.RUNNING for trial in trials)


def observe(trial: FrozenTrial, space: Space) -> Observation | None:
    """What a trial was told; None where that is no margin, or of no cell of the space."""
    cell, margins = space.find(trial.params), trial.user_attrs.get(_MARGINS)
    return None if cell is None or not margins else Observation(cell, tuple(margins))


def _locate(trial: FrozenTrial, space: Space) -> int | None:
    """The cell of a trial that may not have been asked for all its parameters yet."""
    chosen = trial.system_attrs.get(CELL) or trial.system_attrs.get("fixed_params") or trial.params
    return space.find(chosen)
