"""Normalisation, fitted on the training part alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SMALLEST_DEVIATION = np.float32(1e-7)  # as in Keras's Normalization


@dataclass(frozen=True)
class Scaling:
    """Mean and variance of each coefficient, `[F]`."""

    mean: NDArray[np.float32]
    variance: NDArray[np.float32]


def fit_scaling(train: NDArray[np.float32]) -> Scaling:
    """Statistics over the windows and frames of `train` `[N, T, F]`.

    A coefficient that never varies in training gets variance 1: dividing by nothing would blow up its first change.
    """
    mean = train.mean(axis=(0, 1), dtype=np.float64)
    variance = train.var(axis=(0, 1), dtype=np.float64)
    variance[variance < 1e-10] = 1.0
    return Scaling(mean.astype(np.float32), variance.astype(np.float32))


def normalise(windows: NDArray[np.float32], scaling: Scaling) -> NDArray[np.float32]:
    """Windows `[N, T, F]` as Keras's Normalization layer hands them on, bit for bit.

    Done once before a fit: in the model, every step and every evaluation would do it again, and the statistics of one
    split, which are constants of its graph, would keep the graph from serving another.
    """
    deviation: NDArray[np.float32] = np.maximum(np.sqrt(scaling.variance), _SMALLEST_DEVIATION)
    return np.divide(windows - scaling.mean, deviation, dtype=np.float32)
