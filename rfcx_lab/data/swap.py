"""The lengths of boxes swapped between species, each call left in its place: a control for who reads the padding.

Species stand in a ring by the median length of their boxes, and each is given the length of the one a quarter of the
ring further on. So the lengths tell the species as well as before, but another one; three quarters of the species get
boxes that are longer than their own and lose none of their sound.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rfcx_lab.data.clips import Clips

_SAME = 1e-9  # seconds


@dataclass(frozen=True, eq=False)
class Swapped:
    """`clips` with other boxes; per row `[N]`, the label of its length's `donor`, and if its own box is `within`."""

    clips: Clips
    donor: NDArray[np.int64]
    within: NDArray[np.bool_]  # the new box: nothing of the sound is lost


def swap_lengths(clips: Clips) -> Swapped:
    """Give every call a box as long as another species', around the middle of its own and inside its recording.

    Of a species whose boxes differ it is the median that is handed on.
    """
    table = clips.table
    t_min, t_max = (table[name].to_numpy(dtype=np.float64) for name in ("t_min", "t_max"))
    medians = np.array([np.median((t_max - t_min)[clips.labels == label]) for label in range(len(clips.species))])
    donor = next_in_ring(medians)[clips.labels]
    ends = np.array([clips.recordings[name].seconds for name in table["recording_id"]])
    length = np.minimum(medians[donor], ends)
    start = np.clip((t_min + t_max) / 2 - length / 2, 0, ends - length)
    stop = np.minimum(start + length, ends)
    within = (start <= t_min + _SAME) & (stop >= np.minimum(t_max, ends) - _SAME)
    return Swapped(replace(clips, table=table.assign(t_min=start, t_max=stop)), donor, within)


def next_in_ring(lengths: NDArray[np.float64]) -> NDArray[np.int64]:
    """For each of the `lengths` `[classes]` which one is a quarter of them further on by size, the ends joined."""
    order = np.argsort(lengths, kind="stable")
    donor = np.empty_like(order)
    donor[order] = np.roll(order, -max(1, len(order) // 4))
    return donor
