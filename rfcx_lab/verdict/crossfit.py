"""Choose on some repeats, measure on the one held out.

A rise measured from a curve's own minimum is never negative, and the best of several rungs is flattered by
having been chosen: either would look significant on noise alone. Choosing without the repeat that is measured
takes that away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rfcx_lab.verdict.smoothing import Series


def rises_to_the_end(levels: Sequence[Series]) -> list[float]:
    """Per repeat, log of the last smoothed loss over that at the minimum of the *other* repeats' mean.

    `levels` are smoothed validation losses above 0, `(epochs,)` each, of one length. Empty for fewer than 2.
    """
    if len(levels) < 2:
        return []
    logs = np.log(np.array(levels))
    others = (logs.sum(axis=0) - logs) / (len(logs) - 1)
    minima = others.shape[1] - 1 - np.argmin(others[:, ::-1], axis=1)
    return [float(log[-1] - log[minimum]) for log, minimum in zip(logs, minima, strict=True)]


def excess_over_best_lower(rung: Mapping[int, float], lower: Sequence[Mapping[int, float]]) -> list[float]:
    """Per repeat, log of the rung's best loss over that of the lower rung best in the *other* repeats.

    Each mapping holds a rung's best validation loss (above 0) by repeat. A repeat without such a lower rung
    is left out.
    """
    excesses = []
    for repeat, loss in rung.items():
        choices = []
        for losses in lower:
            others = [np.log(value) for other, value in losses.items() if other != repeat]
            if others and repeat in losses:
                choices.append((float(np.mean(others)), losses[repeat]))
        if choices:
            excesses.append(float(np.log(loss) - np.log(min(choices)[1])))
    return excesses
