"""The frontier: the line through a space of architectures beyond which models of these data overfit.

`estimate_frontier` says where it runs, how sure that is, and when to stop; `acquisition.next_cells` where to look next.
Both look at the overfit margin of `level_set`, whose sign is all that is asked for. An architecture that has learnt
nothing has no margin: it lies on neither side.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rfcx_lab.errors import LabError
from rfcx_lab.verdict.level_set import Grid, Observation, Posterior, infer_margins
from rfcx_lab.verdict.turning import NOT_LEARNT

FOUND, OPEN = "found", "open"
ALL_OVERFIT, NONE_OVERFITS = "all_overfit", "none_overfits"


@dataclass
class FrontierConfig:
    """When a frontier counts as known.

    Raises:
        LabError: a value lies out of its range.
    """

    confidence: float = 0.95  # probability of its sign from which a cell is sure
    tolerance: int = 1  # cells on either side of the frontier that may stay unsure; 1: the two beside it
    persistence: int = 3  # trials in a row after which it has to be known
    overlap: float = 0.0  # validation rows over training rows: what repeats have in common, averaging does not remove

    def __post_init__(self) -> None:
        """Check the values."""
        if not 0.5 < self.confidence < 1:
            raise LabError(f"frontier.confidence must lie in (0.5, 1), not {self.confidence}.")
        if self.tolerance < 1 or self.persistence < 1:
            raise LabError("frontier.tolerance and frontier.persistence must be at least 1.")
        if self.overlap < 0:
            raise LabError(f"frontier.overlap must not be negative, as {self.overlap} is.")


@dataclass(frozen=True)
class Crossing:
    """Where the frontier crosses one column; positions count its cells from 0, smallest model first."""

    # By the mean, sure or not: FOUND, ALL_OVERFIT, NONE_OVERFITS, or OPEN where smaller models alone overfit; of a
    # column where no cell has learnt, NOT_LEARNT.
    status: str
    position: float | None  # between the last cell before the frontier and the first beyond; None: it does not cross
    low: int | None  # up to here it is sure that no cell overfits; None: of no cell
    high: int | None  # from here on it is sure that every cell overfits; None: of no cell
    monotone: bool  # no more than one change of sign


@dataclass(frozen=True, eq=False)
class Frontier:
    """What is known after some trials."""

    status: str  # FOUND, ALL_OVERFIT and NONE_OVERFITS are established; OPEN is not
    crossings: tuple[Crossing, ...]  # one per column of the grid
    posterior: Posterior
    unsure: tuple[int, ...]  # cells whose sign is in doubt, those beside the frontier apart
    not_learnt: tuple[int, ...]  # cells that lie on neither side
    settled: bool  # known for `persistence` trials in a row: stop
    trials: int
    reason: str  # a sentence


def estimate_frontier(
    grid: Grid,
    observations: Sequence[Observation],
    *,
    not_learnt: Collection[int] = (),
    config: FrontierConfig | None = None,
) -> Frontier:
    """Say where the frontier runs, from `observations` in the order in which they came.

    The cells of `not_learnt` were tried and have learnt nothing; what was observed of one outweighs that.

    Raises:
        LabError: there is no observation, or one of a cell that `grid` lacks.
    """
    chosen = config or FrontierConfig()
    posterior = infer_margins(grid, observations, overlap=chosen.overlap)
    asked = np.ones(len(grid.points), bool)  # cells that have a side
    asked[sorted({*not_learnt} - {observation.cell for observation in observations})] = False
    doubtful = _doubtful(grid, posterior, asked, chosen)
    status = _status(posterior, doubtful, asked)
    earlier = range(len(observations) - 1, len(observations) - chosen.persistence, -1)
    settled = status != OPEN and all(_is_known(grid, observations[:n], asked, chosen, status) for n in earlier)
    return Frontier(
        status=status,
        crossings=tuple(_cross(np.array(column), posterior, asked, chosen.confidence) for column in grid.columns),
        posterior=posterior,
        unsure=tuple(map(int, np.flatnonzero(doubtful))),
        not_learnt=tuple(map(int, np.flatnonzero(~asked))),
        settled=settled,
        trials=len(observations),
        reason=_explain(status, asked, doubtful, chosen),
    )


def _is_known(
    grid: Grid, observations: Sequence[Observation], asked: NDArray[np.bool_], config: FrontierConfig, status: str
) -> bool:
    if not observations:
        return False
    posterior = infer_margins(grid, observations, overlap=config.overlap)
    return _status(posterior, _doubtful(grid, posterior, asked, config), asked) == status


def _status(posterior: Posterior, doubtful: NDArray[np.bool_], asked: NDArray[np.bool_]) -> str:
    if doubtful.any():
        return OPEN
    over = posterior.mean[asked] > 0
    return ALL_OVERFIT if over.all() else FOUND if over.any() else NONE_OVERFITS


def _doubtful(grid: Grid, posterior: Posterior, asked: NDArray[np.bool_], config: FrontierConfig) -> NDArray[np.bool_]:
    """Cells that are unsure, `(cells,)`, but for those within the tolerance of a frontier."""
    over = posterior.mean > 0
    unsure = asked & (np.maximum(posterior.overfit, 1 - posterior.overfit) < config.confidence)
    if over[asked].all() or not over[asked].any():
        return unsure  # that there is none takes every cell
    for whole in map(np.array, grid.columns):
        column = whole[asked[whole]]
        if not len(column):
            continue
        changes = np.flatnonzero(np.diff(over[column]))
        if not len(changes):  # the frontier may run close by its smallest or its largest model
            changes = np.array([-1 if over[column[0]] else len(column) - 1])
        for change in changes:
            unsure[column[max(change + 1 - config.tolerance, 0) : change + 1 + config.tolerance]] = False
    return unsure


def _cross(column: NDArray[np.intp], posterior: Posterior, asked: NDArray[np.bool_], confidence: float) -> Crossing:
    places = np.flatnonzero(asked[column])
    if not len(places):
        return Crossing(NOT_LEARNT, None, None, None, monotone=True)
    mean, overfit = posterior.mean[column[places]], posterior.overfit[column[places]]
    over = mean > 0
    changes = np.flatnonzero(np.diff(over))
    rises = [int(change) for change in changes if over[change + 1]]
    position = None
    if rises:
        first = rises[0]
        share = float(mean[first] / (mean[first] - mean[first + 1]))
        position = float(places[first] + share * (places[first + 1] - places[first]))
    before = int(np.cumprod(overfit <= 1 - confidence).sum())
    beyond = int(np.cumprod(overfit[::-1] >= confidence).sum())
    return Crossing(
        status=FOUND if rises else OPEN if len(changes) else ALL_OVERFIT if over[0] else NONE_OVERFITS,
        position=position,
        low=int(places[before - 1]) if before else None,
        high=int(places[-beyond]) if beyond else None,
        monotone=len(changes) <= 1 and len(rises) == len(changes),
    )


def _explain(status: str, asked: NDArray[np.bool_], doubtful: NDArray[np.bool_], config: FrontierConfig) -> str:
    cells, sure = int(asked.sum()), f"with a probability of {100 * config.confidence:g} % or more in each"
    nothing = int((~asked).sum())
    apart = f" {nothing} more have learnt nothing, and lie on neither side." if nothing else ""
    if status == ALL_OVERFIT:
        said = f"All {cells} cells overfit, {sure}: there is no frontier in this space; add smaller models to find it."
    elif status == NONE_OVERFITS:
        said = f"None of the {cells} cells overfits, {sure}: there is no frontier in this space; add larger models."
    elif status == OPEN:
        count = int(doubtful.sum())
        said = (
            f"The frontier is not established: {count} of {cells} cells {'is' if count == 1 else 'are'} still in doubt."
        )
    else:
        near = "beside it" if config.tolerance == 1 else f"at most {config.tolerance} from it"
        said = f"The frontier is known: of {cells} cells only those {near} are in doubt."
    return said + apart
