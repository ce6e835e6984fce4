"""Normalisation, fitted on the training part alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
