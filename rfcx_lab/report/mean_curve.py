"""The mean of several fits' curves, which a reader takes for one curve: it must be of the same fits all along."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rfcx_lab.verdict import Curves


def counted(fits: Sequence[Curves]) -> list[Curves]:
    """The fits that a mean is of: all but those that failed, which break off at their worst."""
    return [fit for fit in fits if fit.failure is None and fit.epochs]


def mean_over_repeats(fits: Sequence[Curves], series: str) -> NDArray[np.float64]:
    """The mean of `series`, as `val_loss`, [epochs], as far as all fits reach; empty where no fit counts.

    Beyond the end of the first fit that ended early, a mean of the others would fall or rise by who is left.
    """
    values = [getattr(fit, series) for fit in counted(fits)]
    if not values:
        return np.array([])
    return np.mean([each[: min(map(len, values))] for each in values], axis=0)
