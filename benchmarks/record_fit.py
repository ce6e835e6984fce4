"""What the ladders on record are made of: their noise, and how their repeats vary."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from known_truth import Noise, Spread
from numpy.typing import NDArray
from onset_curves import Series

from rfcx_lab.verdict.record import read_record
from rfcx_lab.verdict.smoothing import smooth, smoothing_window

RECORDS = ("ladder-esc50", "ladder-soundscape")
_EXPERIMENTS = Path(__file__).parents[1] / "experiments"
_WINDOW, _DEGREE = 11, 3  # epochs and degree of the running polynomial taken for the trend
_STEEPEST = 5  # epochs at the start, of too sharp a bend for it: its residuals there are trend
_GRID = np.linspace(-0.5, 0.95, 59)
_SMOOTHING = 0.1  # as find_onset's


@dataclass(frozen=True)
class RecordedRung:
    """What one rung of a record came to over its repeats."""

    record: str
    name: str
    epochs: int
    noise: Noise
    onset: float  # median over fits of the smoothed curve's minimiser
    depth: float  # mean log of the first loss over the lowest
    rise: float  # log of the last loss over the lowest, of the mean log curve
    spread: Spread


def fit_records(*, correlation: float) -> list[RecordedRung]:
    """Fit every rung on record. Repeats of a record are correlated by `correlation`: see `spread_between`."""
    made = []
    for record in RECORDS:
        read = read_record(_EXPERIMENTS / record / "curves.csv.gz")
        for name, fits in read.curves.items():
            losses = np.array([curves.val_loss for curves in fits if curves.failure is None])
            made.append(_fit_rung(losses, record=record, name=name, correlation=correlation))
    return made


def _fit_rung(losses: Series, *, record: str, name: str, correlation: float) -> RecordedRung:
    epochs = losses.shape[1]
    window = smoothing_window(epochs, share=_SMOOTHING)
    levels = np.log([smooth(loss, window=window) for loss in losses])
    lowest, mean = levels.min(axis=1), levels.mean(axis=0)
    minima = np.argmin(levels, axis=1) + 1
    depths = np.maximum(np.log(losses[:, 0]) - lowest, 1e-3)
    spread = Spread(
        level=spread_between(lowest, correlation=correlation),
        depth=spread_between(np.log(depths), correlation=correlation),
        onset=spread_between(np.log(minima), correlation=correlation),
        rise=spread_between(levels[:, -1] - levels[:, int(np.argmin(mean))], correlation=correlation),
    )
    return RecordedRung(
        record=record,
        name=name,
        epochs=epochs,
        noise=fit_noise(np.log(losses)),
        onset=float(np.median(minima)),
        depth=float(depths.mean()),
        rise=float(mean[-1] - mean.min()),
        spread=spread,
    )


def spread_between(values: Sequence[float] | NDArray[np.float64], *, correlation: float) -> float:
    """Standard deviation in the population, of which repeats correlated by `correlation` show the share 1 - rho.

    What the noise of a curve adds to it is left in.
    """
    return float(np.std(values, ddof=1) / math.sqrt(1 - correlation))


def fit_noise(logs: Series) -> Noise:
    """Fit AR(1) noise around a smooth trend, pooled over fits; `(fits, epochs)`.

    The trend is a running polynomial. It takes part of the noise with it, so the residuals' variance and covariance
    are not compared with the noise's own but with what this very filter leaves of AR(1) noise.
    """
    epochs = logs.shape[1]
    rest = (np.eye(epochs) - _trend_filter(epochs))[_STEEPEST:]
    residuals = logs @ rest.T
    variance = float(np.mean(residuals**2))
    covariance = float(np.mean(residuals[:, 1:] * residuals[:, :-1]))
    expected = np.array([_moments(rest, phi) for phi in _GRID])  # their ratio grows with phi
    phi = float(np.interp(covariance / variance, expected[:, 1] / expected[:, 0], _GRID))
    deviation = math.sqrt(variance / _moments(rest, phi)[0])
    return Noise(deviation * math.sqrt(1 - phi**2), phi)


def _trend_filter(epochs: int) -> NDArray[np.float64]:
    """The running polynomial as a matrix; at the ends, that of the outermost window goes on."""
    width = min(_WINDOW, epochs)
    made = np.zeros((epochs, epochs))
    for i in range(epochs):
        first = min(max(i - width // 2, 0), epochs - width)
        powers = np.vander(np.arange(first, first + width) - i, _DEGREE + 1, increasing=True)
        made[i, first : first + width] = np.linalg.pinv(powers.astype(float))[0]
    return made


def _moments(rest: NDArray[np.float64], phi: float) -> tuple[float, float]:
    """Mean variance, and covariance of neighbours, that the filter leaves of AR(1) noise of variance 1."""
    rows, epochs = rest.shape
    lags = np.abs(np.subtract.outer(np.arange(epochs), np.arange(epochs)))
    left = rest @ np.where(lags == 0, 1.0, phi**lags) @ rest.T
    return float(np.trace(left)) / rows, float(np.trace(left, offset=1)) / (rows - 1)
