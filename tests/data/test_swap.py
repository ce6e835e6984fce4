"""Swapped lengths: each call in its place, under its own species, in a box as long as another's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rfcx_lab.data.clips import Clips
from rfcx_lab.data.recordings import Recording
from rfcx_lab.data.scene import plan_recording, template_lengths
from rfcx_lab.data.swap import next_in_ring, swap_lengths
from tests.data.test_soundscape import SMALL

SECONDS = 30.0


@pytest.fixture(scope="module")
def clips():
    """Calls as a soundscape would have them; no sound is needed to move boxes."""
    config = replace(SMALL, templated_boxes=True, recordings=16, seconds=SECONDS, species=8, calls_per_recording=4)
    plans = [(f"rec{index}", call) for index in range(16) for call in plan_recording(config, index)]
    rows = [(name, call.species_id, call.species_id, call.t_min, call.t_max) for name, call in plans]
    return Clips(
        root=Path("nowhere"),
        table=pd.DataFrame(rows, columns=["recording_id", "species_id", "label", "t_min", "t_max"]),
        recordings=recordings(SECONDS),
        species=tuple(range(8)),
        species_names=tuple(f"species {one}" for one in range(8)),
        rejected=pd.DataFrame(),
    )


def recordings(seconds):
    return {f"rec{index}": Recording(Path(f"rec{index}.flac"), 100, round(100 * seconds), "") for index in range(16)}


def lengths(clips):
    return (clips.table["t_max"] - clips.table["t_min"]).to_numpy()


def test_calls_keep_their_place_and_species_and_get_another_ones_length(clips):
    swapped = swap_lengths(clips)
    table, before = swapped.clips.table, clips.table
    for column in ("recording_id", "species_id", "label"):
        assert table[column].equals(before[column])
    templates = np.array(template_lengths(8))
    assert (swapped.donor != clips.labels).all()
    assert lengths(swapped.clips) == pytest.approx(templates[swapped.donor], abs=2e-4)
    middle, then = ((each["t_min"] + each["t_max"]) / 2 for each in (before, table))
    inside = (table["t_min"] > 0) & (table["t_max"] < SECONDS)
    assert inside.mean() > 0.7
    assert then[inside].to_numpy() == pytest.approx(middle[inside].to_numpy(), abs=1e-6)
    assert ((table["t_min"] >= 0) & (table["t_max"] <= SECONDS)).all()


def test_lengths_are_permuted_among_the_species(clips):
    swapped = swap_lengths(clips)
    pairs = {(int(label), int(donor)) for label, donor in zip(clips.labels, swapped.donor, strict=True)}
    assert sorted(label for label, _ in pairs) == sorted(donor for _, donor in pairs) == list(range(8))


def test_within_says_whose_box_lies_in_the_other(clips):
    swapped = swap_lengths(clips)
    grows = lengths(swapped.clips) > lengths(clips)
    assert (swapped.within == grows).all()
    assert grows.mean() == pytest.approx(6 / 8, abs=0.05)


def test_a_box_at_an_end_is_moved_inside_and_keeps_its_length(clips):
    first, last = clips.table["t_min"].min(), clips.table["t_max"].max()
    moved = clips.table.assign(t_min=clips.table["t_min"] - first, t_max=clips.table["t_max"] - first)
    swapped = swap_lengths(replace(clips, table=moved, recordings=recordings(last - first)))
    table = swapped.clips.table
    at_the_start, at_the_end = (table["t_min"] == 0), table["t_max"] >= last - first - 0.01
    assert at_the_start.any() and at_the_end.any()
    assert ((table["t_min"] >= 0) & (table["t_max"] <= last - first + 0.01)).all()
    assert lengths(swapped.clips) == pytest.approx(np.array(template_lengths(8))[swapped.donor], abs=2e-4)


@pytest.mark.parametrize(
    ("sizes", "donors"),
    [([1.0, 2.0], [1, 0]), ([3.0, 1.0, 2.0], [1, 2, 0]), (np.arange(8.0), [2, 3, 4, 5, 6, 7, 0, 1])],
)
def test_ring_goes_a_quarter_on_by_size(sizes, donors):
    assert next_in_ring(np.array(sizes)).tolist() == donors
