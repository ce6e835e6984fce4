"""Clip tables without audio, whose answer is known: what an audit is tried on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from rfcx_lab.config import SoundscapeData, SplitConfig
from rfcx_lab.data.audit import Audit, audit_table
from rfcx_lab.data.scene import plan_recording, recording_id
from rfcx_lab.data.signals import Signal
from rfcx_lab.data.splits import Split, make_splits

HOP = 512 / 28_000  # seconds, the article's
FIXED, CROP = 126, 400  # frames of a fixed window, and the most a crop has

SOUNDSCAPE = SoundscapeData(
    kind="soundscape",
    recordings=200,
    seconds=60.0,
    calls_per_recording=10,
    sample_rate=32_000,
    species=24,
    snr_db=[-8.0, 10.0],
    seed=0,
    templated_boxes=False,
)


def planned(**changes: object) -> pd.DataFrame:
    """The table of a soundscape, from its plan alone."""
    config = replace(SOUNDSCAPE, **changes)
    return as_table(
        [
            (recording_id(config.seed, index), call.species_id, call.t_min, call.t_max)
            for index in range(config.recordings)
            for call in plan_recording(config, index)
        ]
    )


def as_table(rows: list[tuple[str, int, float, float]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["recording_id", "species_id", "t_min", "t_max"])
    labels = np.unique(table["species_id"], return_inverse=True)[1]
    return table.assign(line=np.arange(len(table)) + 2, label=labels)


def split(table: pd.DataFrame, *, by: str = "recording_id", repeats: int = 6) -> list[Split]:
    return make_splits(
        table["label"].to_numpy(),
        table[by].astype(str).to_numpy(dtype=str),
        config=SplitConfig(group=by, test_fraction=0.2, validation_fraction=0.25),
        repeats=repeats,
        seed=0,
        species_names=[str(label) for label in range(table["label"].max() + 1)],
    )


def audit(table: pd.DataFrame, *, window: str = "fixed", by: str = "recording_id", **more: object) -> Audit:
    lengths = (table["t_max"] - table["t_min"]).to_numpy()
    crop = np.minimum(1 + (lengths / HOP).astype(int), CROP)
    frames = crop if window == "crop" else np.full(len(table), FIXED)
    return audit_table(table, split(table, by=by), frames=frames, window=window, split_by=by, margin=0.05, **more)


def signal(found: Audit, name: str) -> Signal:
    return next(one for one in found.signals if one.name == name)
