"""What observations on a grid of architectures tell of the overfit margin in every cell of it.

A Gaussian process (Rasmussen and Williams 2006) over the capacity axes, with scikit-learn's Matern kernel. Its length
scales, its height and its slope are not fitted but averaged over, weighted by their evidence: a handful of observations
does not tell them, and the best guess alone makes the posterior too sure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from sklearn.gaussian_process.kernels import Matern

from rfcx_lab.errors import LabError

Array = NDArray[np.float64]

_SMOOTHNESS = 2.5  # nu: twice differentiable
_LENGTH_SCALES = (0.3, 0.65, 1.4, 3.0)  # of unit axes
_HEIGHTS = (0.5, 1.0, 2.0)  # standard deviations of the process, in root mean squares of what was observed
_TREND = 0.5  # a priori variance of the level and of the slopes along the axes, in that of the process
# What the margin is expected to rise by along the columns, from end to end, in standard deviations of the process:
# models overfit more as they grow. Data that fall outweigh it.
_SLOPES = (0.0, 1.0, 2.0)
_NEGLIGIBLE = 1e-3  # weight of hyper-parameters, in that of the best
_NO_REPEATS = 0.25  # noise where nothing was repeated, in root mean squares of what was observed
_LEAST_NOISE = 1e-3  # the same, whatever the repeats say: equal values by chance are no certainty


@dataclass(frozen=True, eq=False)
class Grid:
    """The cells of a search space.

    Raises:
        LabError: `columns` do not hold every cell once, or a point lies outside the unit cube.
    """

    points: Array  # (cells, axes), from 0 for the smallest to 1 for the largest model on each axis
    columns: tuple[tuple[int, ...], ...]  # cells along the axis on which the frontier is sought, smallest model first

    def __post_init__(self) -> None:
        """Compare points and columns."""
        if sorted(cell for column in self.columns for cell in column) != list(range(len(self.points))):
            raise LabError(f"The columns of a grid must hold each of its {len(self.points)} cells once.")
        if self.points.ndim != 2 or not ((self.points >= 0) & (self.points <= 1)).all():
            raise LabError("The points of a grid must lie from 0 to 1 on every axis.")

    @classmethod
    def regular(cls, *sizes: int) -> Grid:
        """Every combination of `sizes` even steps per axis; the last axis is the one the frontier is sought on."""
        axes = [np.linspace(0, 1, size) if size > 1 else np.array([0.5]) for size in sizes]
        points = np.array(list(product(*axes)))
        return cls(points, tuple(tuple(map(int, row)) for row in np.arange(len(points)).reshape(-1, sizes[-1])))

    @cached_property
    def along(self) -> int:
        """Number of the axis on which the frontier is sought."""
        column = max(self.columns, key=len)
        return int(np.argmax(self.points[column[-1]] - self.points[column[0]]))

    @cached_property
    def rise(self) -> Array:
        """Place along the axis on which the frontier is sought, `(cells,)`, from -0.5 to 0.5."""
        return self.points[:, self.along] - 0.5

    @cached_property
    def correlations(self) -> Array:
        """Prior covariance between cells for every choice of length scales, `(choices, cells, cells)`; variance 1."""
        centred = self.points - 0.5
        trend = _TREND * (1 + 4 * centred @ centred.T)
        scales = product(_LENGTH_SCALES, repeat=self.points.shape[1])
        return np.stack([trend + Matern(scale, nu=_SMOOTHNESS)(self.points) for scale in scales])


@dataclass(frozen=True)
class Observation:
    """The overfit margins of one architecture, one per repeat: log rise of the validation loss, less the margin.

    Raises:
        LabError: there is none, or one is not finite.
    """

    cell: int
    margins: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check the margins."""
        if not self.margins or not all(map(math.isfinite, self.margins)):
            raise LabError(f"Cell {self.cell}: an observation needs one finite margin or more, not {self.margins}.")


@dataclass(frozen=True, eq=False)
class Posterior:
    """The margin in every cell, as far as it is known."""

    mean: Array  # (cells,)
    covariance: Array  # (cells, cells)
    overfit: Array  # (cells,), probability that the margin is above 0
    noise: float  # standard deviation of one repeat

    @property
    def sd(self) -> Array:
        """Standard deviation of the margin, `(cells,)`, without the noise of an observation."""
        return np.sqrt(np.diag(self.covariance))


def pool_noise(observations: Sequence[Observation]) -> float:
    """Standard deviation of one repeat about its cell's mean, pooled over cells; NaN where no cell has two."""
    squares, freedom = 0.0, 0
    for values in _by_cell(observations).values():
        squares += float(np.sum((np.array(values) - np.mean(values)) ** 2))
        freedom += len(values) - 1
    return math.sqrt(squares / freedom) if freedom else math.nan


def infer_margins(grid: Grid, observations: Sequence[Observation], *, overlap: float = 0.0) -> Posterior:
    """Posterior of the margin in every cell of `grid`.

    The mean of n repeats has the variance s^2 (1 / n + overlap), with s^2 pooled over all cells; `overlap` is the
    ratio of validation to training rows, by which overlapping training sets keep repeats from averaging out (Nadeau
    and Bengio 2003).

    Raises:
        LabError: there is no observation, or one of a cell that `grid` lacks.
    """
    cells, means, variances, noise = _summarise(grid, observations, overlap=overlap)
    size = math.sqrt(float(np.mean(means**2))) or 1.0
    correlations = grid.correlations
    among = correlations[:, cells[:, None], cells[None, :]]
    stack = np.concatenate([(height * size) ** 2 * among for height in _HEIGHTS]) + np.diag(variances)
    factors = np.linalg.cholesky(stack)
    heights = np.repeat(_HEIGHTS, len(correlations)) * size
    expected = heights[:, None, None] * np.outer(grid.rise, _SLOPES)  # (kernels, cells, slopes)
    whitened = np.asarray(
        np.linalg.solve(factors, means[:, None] - expected[:, cells]), np.float64
    )  # (kernels, observed, slopes)
    determinants = np.sum(np.log(np.diagonal(factors, axis1=1, axis2=2)), axis=1)
    evidence = -0.5 * np.sum(whitened**2, axis=1) - determinants[:, None]
    weights = np.exp(evidence - evidence.max())
    weights[weights < _NEGLIGIBLE] = 0.0
    weights /= weights.sum()
    kept = np.flatnonzero(weights.sum(axis=1))
    return _mix(
        grid,
        cells,
        weights=weights[kept],
        heights=heights[kept],
        choices=kept % len(correlations),
        expected=expected[kept],
        factors=factors[kept],
        whitened=whitened[kept],
        noise=noise,
    )


def _mix(
    grid: Grid,
    cells: NDArray[np.intp],
    *,
    weights: Array,  # (kernels, slopes)
    heights: Array,  # (kernels,)
    choices: NDArray[np.intp],  # (kernels,), of length scales
    expected: Array,  # (kernels, cells, slopes)
    factors: Array,  # (kernels, observed, observed)
    whitened: Array,  # (kernels, observed, slopes)
    noise: float,
) -> Posterior:
    """Moments of the mixture of what every choice of hyper-parameters says; the slopes share their kernel's spread."""
    correlations = grid.correlations
    among = (heights**2)[:, None, None] * correlations[:, cells, :][choices]
    gains = np.linalg.solve(factors, among)  # (kernels, observed, cells)
    centres = expected + np.swapaxes(gains, 1, 2) @ whitened  # (kernels, cells, slopes)
    mean = np.einsum("ks,kcs->c", weights, centres)
    alone = weights.sum(axis=1)
    priors = np.bincount(choices, alone * heights**2, minlength=len(correlations))
    scaled = (np.sqrt(alone)[:, None, None] * gains).reshape(-1, len(mean))
    apart = (np.sqrt(weights)[:, None, :] * (centres - mean[:, None])).swapaxes(1, 2).reshape(-1, len(mean))
    covariance = np.tensordot(priors, correlations, axes=1) - scaled.T @ scaled + apart.T @ apart
    variances = (heights**2)[:, None] * np.diagonal(correlations, axis1=1, axis2=2)[choices] - np.sum(gains**2, axis=1)
    sds = np.sqrt(np.maximum(variances, 1e-18))
    return Posterior(mean, covariance, np.einsum("ks,kcs->c", weights, ndtr(centres / sds[:, :, None])), noise)


def _summarise(
    grid: Grid, observations: Sequence[Observation], *, overlap: float
) -> tuple[NDArray[np.intp], Array, Array, float]:
    """Observed cells, the mean in each, that mean's variance, and the noise of one repeat."""
    values = _by_cell(observations)
    if not values:
        raise LabError("Nothing was observed: a frontier needs an observation.")
    if not all(0 <= cell < len(grid.points) for cell in values):
        raise LabError(f"The grid has {len(grid.points)} cells, not those observed: {sorted(values)}.")
    means = np.array([np.mean(margins) for margins in values.values()])
    size = math.sqrt(float(np.mean(means**2))) or 1.0
    pooled = pool_noise(observations)
    noise = max(_NO_REPEATS * size if math.isnan(pooled) else pooled, _LEAST_NOISE * size)
    counts = np.array([len(margins) for margins in values.values()])
    return np.array(list(values), np.intp), means, noise**2 * (1 / counts + overlap), noise


def _by_cell(observations: Sequence[Observation]) -> dict[int, list[float]]:
    values: dict[int, list[float]] = {}
    for observation in observations:
        values.setdefault(observation.cell, []).extend(observation.margins)
    return values
