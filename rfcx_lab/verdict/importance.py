"""Which axis of a space the overfit margin depends on, and how much of that is known."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from rfcx_lab.verdict.intervals import Interval
from rfcx_lab.verdict.level_set import Array, Posterior

_DRAWS = 2000
_SEED = 0  # the same posterior has the same shares


def share_variation(
    posterior: Posterior,
    levels: Mapping[str, Sequence[Hashable | None]],
    *,
    left_out: Sequence[int] = (),
    confidence: float = 0.95,
) -> dict[str, Interval]:
    """Share of the margin's variance over the cells that each axis explains alone: median, and an interval of it.

    That is its main effect (functional analysis of variance: Hutter, Hoos and Leyton-Brown 2014), over margins drawn
    from the posterior, so that the interval holds what is not known yet (Oakley and O'Hagan 2004). What is missing to 1
    over all axes of a whole grid is their interplay. `levels` holds every axis' value in every cell, None where it does
    not exist: there it explains nothing. Cells of `left_out` have no margin.
    """
    kept = np.setdiff1d(np.arange(len(posterior.mean)), np.array(left_out, np.intp))
    rng = np.random.default_rng(_SEED)
    spread, basis = np.linalg.eigh(posterior.covariance)
    noise = rng.normal(size=(_DRAWS, len(spread))) * np.sqrt(np.maximum(spread, 0.0))
    drawn = (posterior.mean + noise @ basis.T)[:, kept]
    total = np.sum((drawn - drawn.mean(axis=1, keepdims=True)) ** 2, axis=1)
    tails = [(1 - confidence) / 2, 0.5, (1 + confidence) / 2]
    shares = {}
    for axis, values in levels.items():
        explained = _between(drawn, [values[cell] for cell in kept])
        share = np.minimum(explained / np.maximum(total, 1e-300), 1.0)  # all of it, but for rounding
        low, middle, high = np.quantile(share, tails)
        shares[axis] = (float(middle), float(low), float(high))
    return shares


def _between(drawn: Array, values: Sequence[Hashable | None]) -> Array:
    """Sum of squares between the groups of cells that share a value, `(draws,)`, among those that have one."""
    groups: dict[Hashable, list[int]] = {}
    for place, value in enumerate(values):
        if value is not None:
            groups.setdefault(value, []).append(place)
    if not groups:
        return np.zeros(len(drawn))
    means = np.stack([drawn[:, places].mean(axis=1) for places in groups.values()], axis=1)
    sizes = np.array([len(places) for places in groups.values()])
    centre = means @ sizes / sizes.sum()
    return np.asarray(np.sum(sizes * (means - centre[:, None]) ** 2, axis=1))
