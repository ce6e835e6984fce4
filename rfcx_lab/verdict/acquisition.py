"""Which architecture to try next, when the line where models begin to overfit is what is sought."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
from scipy.special import ndtr

from rfcx_lab.verdict.learnability import probability_to_learn
from rfcx_lab.verdict.level_set import Array, Grid, Observation, Posterior, infer_margins


def next_cells(
    grid: Grid,
    observations: Sequence[Observation],
    *,
    count: int = 1,
    pending: Collection[int] = (),
    barred: Collection[int] = (),
    not_learnt: Collection[int] = (),
    repeats: int = 3,
    overlap: float = 0.0,
) -> list[int]:
    """Choose where to look next: `count` cells or as many as there are, none twice, none that is pending or barred.

    First one cell in the column of the smallest and one in that of the largest other axes. Then the cell whose
    observation will leave the smallest loss over the whole grid, in expectation, where a wrong sign costs the margin it
    is wrong about (stepwise uncertainty reduction: Bect et al. 2012; with that loss: Gramacy and Ludkovski 2015): no
    trial is spent on a margin of next to nothing. A cell observed before is chosen again where its noise is the doubt.
    What is pending counts as if it had brought what is expected of it (Ginsbourger et al. 2010). `barred` cells can't
    be observed. Those of `not_learnt` were tried and have learnt nothing: where others may not either, less is to be
    hoped for (Gelbart et al. 2014). A trial will bring `repeats` more of a cell, with `overlap` as in `infer_margins`.

    Raises:
        LabError: an observation is of a cell that `grid` lacks.
    """
    told = {observation.cell for observation in observations}
    nothing = {*not_learnt} - told
    taken = {*pending, *barred, *nothing}
    hopes = probability_to_learn(grid, learnt=told, not_learnt=nothing)
    posterior = infer_margins(grid, observations, overlap=overlap) if observations else None
    counts = np.zeros(len(grid.points))
    for observation in observations:
        counts[observation.cell] += len(observation.margins)
    mean, covariance = (posterior.mean, posterior.covariance) if posterior else (None, None)
    added = _added_noise(counts, posterior, repeats=repeats, overlap=overlap)
    for cell in sorted(pending):
        covariance = _believe(covariance, cell, added)
    cells: list[int] = []
    while len(cells) < count and len(taken) < len(grid.points):
        start = _start(grid, counts, taken)
        if start is not None:
            cell = start
        elif mean is None or covariance is None:
            cell = _farthest(grid, taken)
        else:
            cell = _most_telling(mean, covariance, added, taken, hopes=hopes)
        cells.append(cell)
        taken.add(cell)
        covariance = _believe(covariance, cell, added)
    return cells


def _start(grid: Grid, counts: Array, taken: Collection[int]) -> int | None:
    """The first of two cells, one in either outermost column, that was neither observed nor taken.

    In the column of the smallest models two thirds up, in that of the largest one third up: the frontier is expected
    to fall as models grow on the other axes. Corners would tell the height of the margins, and next to nothing of the
    frontier.
    """
    for place, height in ((0.0, 2 / 3), (1.0, 1 / 3)):
        aim = np.full(grid.points.shape[1], place)
        aim[grid.along] = height
        cell = int(np.argmin(np.sum((grid.points - aim) ** 2, axis=1)))
        if not counts[cell] and cell not in taken:
            return cell
    return None


def _farthest(grid: Grid, taken: Collection[int]) -> int:
    """The cell farthest from all that are taken: nothing is known yet."""
    gaps = grid.points[:, None, :] - grid.points[sorted(taken)][None, :, :]
    nearest = np.min(np.sum(gaps**2, axis=2), axis=1)
    nearest[sorted(taken)] = -1.0
    return int(np.argmax(nearest))


def _added_noise(counts: Array, posterior: Posterior | None, *, repeats: int, overlap: float) -> Array:
    """Variance of what one more trial would tell of each cell by itself, `(cells,)`, over and above earlier ones."""
    if posterior is None:
        return np.ones(len(counts))
    with np.errstate(divide="ignore"):
        before = 1 / (1 / counts + overlap)
    after = 1 / (1 / (counts + repeats) + overlap)
    return posterior.noise**2 / (after - before)


def _believe(covariance: Array | None, cell: int, added: Array) -> Array | None:
    """The posterior's covariance once `cell` has brought what is expected of it: the mean stays."""
    if covariance is None:
        return None
    shared = covariance[:, cell]
    return covariance - np.outer(shared, shared) / (covariance[cell, cell] + added[cell])


def _most_telling(mean: Array, covariance: Array, added: Array, taken: Collection[int], *, hopes: Array) -> int:
    """The cell whose observation is expected to lower the loss most.

    Taking the likelier sign of a margin m costs (E|m| - |E m|) / 2 in expectation. An observation leaves E|m| as it is
    on average, and moves E m by a normal variable: the gain is how much that raises the mean of |E m|. A cell counts by
    its hope to learn, `hopes`: only then is there a sign, and only then will its trial tell anything.
    """
    open_ones = np.setdiff1d(np.arange(len(mean)), sorted(taken))
    own = np.maximum(np.diag(covariance)[open_ones], 1e-18)
    moves = np.maximum(np.abs(covariance[:, open_ones]) / np.sqrt(own + added[open_ones]), 1e-12)  # (cells, open ones)
    far = np.abs(mean)[:, None] / moves
    gains = moves * (np.exp(-0.5 * far**2) / math.sqrt(2 * math.pi) - far * ndtr(-far))
    return int(open_ones[np.argmax(hopes[open_ones] * (hopes @ gains))])
