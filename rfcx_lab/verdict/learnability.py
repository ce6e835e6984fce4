"""How probable it is that an architecture learns anything at all: only then can it be told whether it overfits."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from scipy.special import ndtr
from sklearn.gaussian_process.kernels import Matern

from rfcx_lab.verdict.level_set import Array, Grid

_SCALE, _SMOOTHNESS = 0.65, 2.5  # of unit axes; nu of the Matern kernel
_EXPECTED = 1.0  # a priori mean of the latent value, in its standard deviations: models are expected to learn
_NOISE = 0.1  # variance of a label about the latent value, in that of the latter


def probability_to_learn(grid: Grid, *, learnt: Collection[int], not_learnt: Collection[int]) -> Array:
    """Probability that a trial of each cell would learn, `(cells,)`; 1 everywhere until one has not.

    A Gaussian process on labels of 1 and -1 (least-squares classification: Rasmussen and Williams 2006, 6.5). A cell in
    both has learnt.
    """
    if not not_learnt:
        return np.ones(len(grid.points))
    cells = sorted({*learnt, *not_learnt})
    labels = np.array([1.0 if cell in learnt else -1.0 for cell in cells])
    correlation = np.asarray(Matern(_SCALE, nu=_SMOOTHNESS)(grid.points, grid.points[cells]), np.float64)
    gains = np.linalg.solve(correlation[cells] + _NOISE * np.eye(len(cells)), correlation.T)
    latent = _EXPECTED + gains.T @ (labels - _EXPECTED)
    variance = 1 - np.sum(gains * correlation.T, axis=0) + _NOISE
    return np.asarray(ndtr(latent / np.sqrt(variance)), np.float64)
