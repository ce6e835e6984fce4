"""Normalisation: whose statistics, and of what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rfcx_lab.errors import LabError

_SMALLEST_DEVIATION = np.float32(1e-7)  # as in Keras's Normalization
SCOPES, KINDS = ("train", "all"), ("per_coefficient", "global")


@dataclass(frozen=True)
class Scaling:
    """What is subtracted and the square of what is divided by, `[F]`: of each index along `axis` of the windows."""

    mean: NDArray[np.float32]
    variance: NDArray[np.float32]
    axis: int = -1  # of `[N, T, F]`; 1 where the axes of the windows are turned


def check_scaling(name: str) -> None:
    """Raise LabError where `training.scaling` has no such value."""
    known = [f"{scope}_{kind}" for scope in SCOPES for kind in KINDS]
    if name not in known:
        raise LabError(f"training.scaling={name}: must be one of {', '.join(known)}.")


def of_all(name: str) -> bool:
    """Whether a scaling takes the statistics of every part, those held out included."""
    return name.startswith("all_")


def fit_scaling(windows: NDArray[np.float32], *, name: str = "train_per_coefficient", turned: bool = False) -> Scaling:
    """The scaling that `training.scaling` names, of `windows` `[N, T, F]`, for a model that is fed them so or `turned`.

    Per coefficient: mean and variance over windows and frames; a coefficient that never varies gets variance 1, as
    dividing by nothing would blow up its first change. Global: the article's two lines, the whole array to [0, 1] and
    then over its standard deviation, which together take the minimum from it and divide by its standard deviation.
    """
    if name.endswith("_global"):
        lowest, variance = float(windows.min()), _variance(windows)
        size = windows.shape[1] if turned else windows.shape[2]
        return Scaling(np.full(size, lowest, np.float32), np.full(size, variance or 1.0, np.float32))
    mean = windows.mean(axis=(0, 1), dtype=np.float64)
    variance = windows.var(axis=(0, 1), dtype=np.float64)
    variance[variance < 1e-10] = 1.0
    return Scaling(mean.astype(np.float32), variance.astype(np.float32), axis=1 if turned else -1)


def _variance(windows: NDArray[np.float32]) -> float:
    """In two passes, a window at a time: in one stroke it would take twice the memory of the windows themselves."""
    mean = np.mean([window.mean(dtype=np.float64) for window in windows])
    return float(np.mean([np.square(window - mean).mean(dtype=np.float64) for window in windows]))


def normalise(windows: NDArray[np.float32], scaling: Scaling) -> NDArray[np.float32]:
    """Windows `[N, T, F]` as Keras's Normalization layer hands them on, bit for bit.

    Done once before a fit: in the model, every step and every evaluation would do it again, and the statistics of one
    split, which are constants of its graph, would keep the graph from serving another.
    """
    deviation: NDArray[np.float32] = np.maximum(np.sqrt(scaling.variance), _SMALLEST_DEVIATION)
    mean = scaling.mean
    if scaling.axis == 1:
        mean, deviation = mean[:, None], deviation[:, None]
    return np.divide(windows - mean, deviation, dtype=np.float32)
